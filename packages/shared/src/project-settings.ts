import { z } from 'zod';
import { durationBetween } from './durations.ts';
import { maintenanceRules } from './maintenance.ts';
import { rolloutSettings } from './rollout-plan.ts';

// What an administrator sets for a project on the server. It is not in the repository: whoever may change the code must
// not be able to take away the gates that the code has to pass.

const second = 1_000;
const minute = 60 * second;
const day = 24 * 60 * minute;

/** What a worker has, or what a job asks of its worker: names and values. */
export const labels = z.record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/), z.string().max(255));

const taskBase = {
  name: z.string().trim().min(1).max(100),
  timeout: durationBetween(second, 60 * minute).default(5 * minute),
  /** How often it is tried in all before it has failed. */
  attempts: z.number().int().min(1).max(5).default(1),
};
/** A step before a deployment begins or after its machines confirmed it. */
export const deploymentTask = z.discriminatedUnion('type', [
  /** Runs on a worker that has the labels; exit code 0 is success. */
  z.strictObject({
    ...taskBase,
    type: z.literal('command'),
    command: z.string().trim().min(1).max(8_192),
    workerLabels: labels.default({}),
  }),
  /** A POST with the deployment as JSON; a 2xx answer is success. */
  z.strictObject({
    ...taskBase,
    type: z.literal('webhook'),
    url: z.url({ protocol: /^https?$/ }).max(2_000),
    /** Signs the body (HMAC-SHA-256 in `X-Starling-Signature`). */
    secret: z.string().min(16).max(500).optional(),
  }),
]);
export type DeploymentTaskSpec = z.infer<typeof deploymentTask>;

export const projectSettings = z.strictObject({
  builds: z
    .strictObject({
      /** How many may run at once; null is no limit. */
      maxConcurrent: z.number().int().min(1).max(10_000).nullable().default(null),
      /** Higher goes first among all projects. */
      priority: z.number().int().min(-100).max(100).default(0),
      /** Labels that a worker must have. */
      workerLabels: labels.default({}),
    })
    .prefault({}),
  retention: z
    .strictObject({
      /** Builds that are always kept, newest first, beside what runs and what may be rolled back to. */
      keepBuilds: z.number().int().min(1).max(10_000).default(50),
      /** Younger builds are kept too. Milliseconds. */
      keepFor: durationBetween(0, 3_650 * day).default(14 * day),
      /** How long logs are kept. Milliseconds. */
      keepLogsFor: durationBetween(day, 3_650 * day).default(90 * day),
    })
    .prefault({}),
  approvals: z
    .strictObject({
      /** How many people must approve; 0 asks nobody. */
      needed: z.number().int().min(0).max(20).default(0),
      /** Of these people; empty: of everybody who may approve. */
      from: z.array(z.string().max(100)).max(100).default([]),
      /** Whether a rollback has to wait for them too. */
      rollbacks: z.boolean().default(false),
    })
    .prefault({}),
  review: z
    .strictObject({
      /** Which of it must be true of a commit before it is deployed. */
      require: z.enum(['none', 'protected-branch', 'approved']).default('none'),
      /** The branches whose commits count as reviewed: names, or patterns such as `release/*`. */
      protectedBranches: z.array(z.string().min(1).max(255)).max(50).default(['main']),
      /** Who is asked whether the pull request was approved and its checks passed; null when nobody is. */
      provider: z.enum(['github', 'gitlab']).nullable().default(null),
      /** The repository as the provider names it, for example `acme/shop`. */
      repository: z.string().max(300).nullable().default(null),
    })
    .prefault({}),
  tasks: z
    .strictObject({
      before: z.array(deploymentTask).max(20).default([]),
      after: z.array(deploymentTask).max(20).default([]),
    })
    .prefault({}),
  /** How builds reach the machines, over what their `starling.yml` says. */
  rollout: rolloutSettings.prefault({}),
  /** Whether machines fetch a build while its deployment waits for people, freezes or tasks. */
  prefetch: z.enum(['off', 'whenAsked']).default('whenAsked'),
  /** When machines with certain labels may be touched; others at any time. Rollbacks and hotfixes do not wait. */
  maintenance: maintenanceRules.default([]),
  /** What the checks of rollouts may ask. The repository names queries and paths, the administrator who is asked. */
  analysis: z
    .strictObject({
      /** Where the project's Prometheus answers, for example `http://prometheus:9090`; null: nowhere. */
      prometheus: z
        .url({ protocol: /^https?$/ })
        .max(2_000)
        .nullable()
        .default(null),
      /** Addresses below which HTTP checks may ask. */
      http: z
        .array(z.url({ protocol: /^https?$/ }).max(2_000))
        .max(50)
        .default([]),
      /** Labels of the workers that run the commands of checks. */
      workerLabels: labels.default({}),
    })
    .prefault({}),
  webhooks: z
    .strictObject({
      /** Which of the project's webhook secrets holds; raising it makes the one before worthless. */
      generation: z.number().int().min(1).max(1_000_000).default(1),
    })
    .prefault({}),
  /** Builds that pushes and merges start. */
  triggers: z
    .array(
      z.strictObject({
        on: z.enum(['push', 'merge']),
        /** Names or patterns such as `release/*`. */
        branches: z.array(z.string().min(1).max(255)).min(1).max(50),
        /** Only when a file below one of these changed; empty: always. */
        paths: z.array(z.string().min(1).max(500)).max(50).default([]),
      }),
    )
    .max(20)
    .default([]),
});
/** The settings with every default filled in. Durations are in milliseconds. */
export type ProjectSettings = z.infer<typeof projectSettings>;

/** As a person writes them and as they are stored: durations such as `14d`, and nothing that has its default. */
export type WrittenProjectSettings = z.input<typeof projectSettings>;

/** What is stored, completed by the defaults. */
export const settingsOf = (stored: unknown): ProjectSettings => projectSettings.parse(stored ?? {});
