import { agentVersion } from './version.ts';

// `main.ts` runs the agent; `main.ts version` only prints its version, and needs nothing else to be in place: it is
// the health check of the agent when the agent itself is what was deployed.

if (process.argv[2] === 'version' || process.argv[2] === '--version') {
  process.stdout.write(`${agentVersion}\n`);
} else {
  const { runAgent } = await import('./run.ts');
  await runAgent();
}
