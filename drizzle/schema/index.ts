export * from './builds.ts';
export * from './deployments.ts';
export * from './fleet.ts';
export * from './jobs.ts';
export * from './projects.ts';
