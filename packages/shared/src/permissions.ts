import type { Role } from './words.ts';

// Who may do what. A person has roles, each in one project or in all (`*`); a hub, worker or agent has the permissions
// of its kind. Every procedure of the API names the one permission it needs.

/** `signed-in` is what every person may: look at themselves, and take care of their own password and tokens. */
export const permissions = [
  'signed-in',
  'view',
  'build',
  'deploy',
  'approve',
  'administer',
  'report',
  'enrol-agents',
] as const;
export type Permission = (typeof permissions)[number];

/** The processes that have an identity of their own. */
export const identityKinds = ['hub', 'worker', 'agent'] as const;
export type IdentityKind = (typeof identityKinds)[number];

const ofRole = {
  viewer: ['signed-in', 'view'],
  builder: ['signed-in', 'view', 'build'],
  deployer: ['signed-in', 'view', 'build', 'deploy'],
  approver: ['signed-in', 'view', 'approve'],
  admin: ['signed-in', 'view', 'build', 'deploy', 'approve', 'administer'],
} as const satisfies Record<Role, readonly Permission[]>;

const ofIdentity = {
  hub: ['report', 'enrol-agents'],
  worker: [],
  agent: [],
} as const satisfies Record<IdentityKind, readonly Permission[]>;

/** A role, and where it holds: a project's name, or `*`. */
export interface Grant {
  project: string;
  role: Role;
}

export const allProjects = '*';

const includes = (list: readonly Permission[], permission: Permission) => list.includes(permission);

/** Whether these grants allow it in `project`; with `*`, whether they allow it in every project. */
export function allows(grants: readonly Grant[], permission: Permission, project: string): boolean {
  return grants.some(
    (grant) => (grant.project === allProjects || grant.project === project) && includes(ofRole[grant.role], permission),
  );
}

/** What is left of a role for a token that may do no more than `most`: what both may. */
export function narrowed(role: Role, most: Role): Role {
  const both = ofRole[role].filter((permission) => includes(ofRole[most], permission));
  const same = (Object.keys(ofRole) as Role[]).find(
    (other) => ofRole[other].length === both.length && both.every((permission) => includes(ofRole[other], permission)),
  );
  // Each role may view, so this is what they have in common at least.
  return same ?? 'viewer';
}

/** The projects in which these grants allow it: `*`, or their names. */
export function projectsWith(grants: readonly Grant[], permission: Permission): typeof allProjects | string[] {
  if (allows(grants, permission, allProjects)) return allProjects;
  return [...new Set(grants.filter(({ role }) => includes(ofRole[role], permission)).map(({ project }) => project))];
}

export const identityAllows = (kind: IdentityKind, permission: Permission): boolean =>
  includes(ofIdentity[kind], permission);

/** The roles that carry a permission, for the message to someone who lacks it. */
export const rolesWith = (permission: Permission): Role[] =>
  (Object.keys(ofRole) as Role[]).filter((role) => includes(ofRole[role], permission));

/** `admin`, or `deployer in shop, viewer`: what a person is, in a line. */
export function describeGrants(grants: readonly Grant[]): string {
  const parts = grants.map(({ project, role }) => (project === allProjects ? role : `${role} in ${project}`));
  return parts.length > 0 ? parts.join(', ') : 'no role';
}
