import { z } from 'zod';

// The words of the field, once: tables, API, console and CLI all take them from here.

export const jobStatuses = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
export type JobStatus = (typeof jobStatuses)[number];
export const isTerminalJobStatus = (status: JobStatus): boolean => status !== 'QUEUED' && status !== 'RUNNING';

/** What a worker is doing with a RUNNING job, in this order. */
export const jobStages = ['CHECKOUT', 'RECIPE', 'PACK', 'UPLOAD'] as const;
export type JobStage = (typeof jobStages)[number];

export const replicaStatuses = ['PENDING', 'COPYING', 'REPLICATED', 'FAILED'] as const;
export type ReplicaStatus = (typeof replicaStatuses)[number];

export const deploymentKinds = ['DEPLOY', 'ROLLBACK', 'ROLL_FORWARD'] as const;
export type DeploymentKind = (typeof deploymentKinds)[number];

/** WAITING: it has gates to pass. SUPERSEDED: a newer deployment of the project took its place before it ended. */
export const deploymentStatuses = ['WAITING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'ABORTED', 'SUPERSEDED'] as const;
export type DeploymentStatus = (typeof deploymentStatuses)[number];

/** What a new deployment does while another one of its project is under way. */
export const whenBusyChoices = ['REFUSE', 'QUEUE', 'REPLACE'] as const;
export type WhenBusy = (typeof whenBusyChoices)[number];

/** What may keep a deployment from beginning, in the order in which it is asked. */
export const gateNames = ['review', 'approvals', 'line', 'freeze', 'queue', 'tasks'] as const;
export type GateName = (typeof gateNames)[number];
/** BYPASSED: a hotfix went through. REFUSED ends the deployment. */
export const gateStatuses = ['WAITING', 'PASSED', 'BYPASSED', 'REFUSED'] as const;
export type GateStatus = (typeof gateStatuses)[number];

/** ANALYSIS: one measurement of a check that is a command. */
export const taskPhases = ['BEFORE', 'AFTER', 'ANALYSIS'] as const;
export type TaskPhase = (typeof taskPhases)[number];
export const taskStatuses = ['WAITING', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'SKIPPED'] as const;
export type TaskStatus = (typeof taskStatuses)[number];

/** The states of the agent for one project, in the order an update goes through them. */
export const machineSteps = [
  'IDLE',
  'FETCHING',
  'VERIFYING',
  'STAGED',
  'STOPPING',
  'SWAPPING',
  'STARTING',
  'PROBING',
  'COMMITTED',
  'REVERTING',
  'FAILED',
] as const;
export type MachineStep = (typeof machineSteps)[number];

/** What a person may be in a project, or in all: `permissions.ts` says what each may do. */
export const roles = ['viewer', 'builder', 'deployer', 'approver', 'admin'] as const;
export type Role = (typeof roles)[number];

const name = (what: string) =>
  z
    .string()
    .regex(
      /^[a-z][a-z0-9-]{0,62}$/,
      `a ${what} name is 1 to 63 lower-case letters, digits and hyphens, and begins with a letter`,
    );

export const projectName = name('project');
export const regionName = name('region');
/** Also the fleet's name for a host: letters, digits, dot, hyphen, underscore; at most 128. */
export const machineId = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    'a machine id is 1 to 128 letters, digits, dots, hyphens and underscores',
  );
export const commitSha = z
  .string()
  .regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, 'a commit SHA is 40 (or 64) lower-case hexadecimal digits');
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 digest is 64 lower-case hexadecimal digits');
export const infoHashHex = z
  .string()
  .regex(/^[0-9a-f]{40}$/, 'a torrent info hash is 40 lower-case hexadecimal digits');
/** `<project>@<first 12 of the SHA>`, then `.2`, `.3` … when the same commit was built again. */
export const buildId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}@[0-9a-f]{12}(\.\d{1,6})?$/, 'a build id looks like "hello@1a2b3c4d5e6f"');

/** The id of the `ordinal`-th build (from 1) of a commit. */
export function formatBuildId(project: string, sha: string, ordinal: number): string {
  return `${project}@${sha.slice(0, 12)}${ordinal > 1 ? `.${ordinal}` : ''}`;
}
