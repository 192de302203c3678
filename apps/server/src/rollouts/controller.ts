import type { Clock } from '@starling/shared/clock.ts';
import type { Signer } from '@starling/shared/signing.ts';
import { sameStatement, type UnsignedVersionKey, type VersionKey } from '@starling/shared/version-key.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import type { VersionKeyStore } from '../version-keys/version-key-store.ts';
import type { RolloutPolicy } from './decide.ts';
import { type DeploymentFact, keyLifetimeMs, statementFor } from './desired-key.ts';
import { type AfterTasks, decideWithTasks } from './end-with-tasks.ts';
import type { DeploymentRows } from './ports.ts';

export interface ControllerOptions {
  rows: DeploymentRows;
  keys: VersionKeyStore;
  signer: Signer;
  tasks: AfterTasks;
  regions: readonly string[];
  policy: RolloutPolicy;
  everyMs: number;
  clock: Clock;
  log: Logger;
}

/**
 * The loop that ends deployments and keeps the version keys true. It is the only writer of keys. Both halves compare
 * what is with what must be, so a pass that was cut off is completed by the next, here or on another server.
 *
 * The keys are read before the deployments that say what they must be. A pass that is held up between reading and writing
 * then writes over a number that a newer leader has already counted on from, and is refused.
 */
export function startRolloutController(options: ControllerOptions): Loop {
  const { rows, tasks, policy, everyMs, clock, log } = options;
  const watchingSinceMs = clock.now();
  return new Loop({
    name: 'rollouts',
    everyMs,
    clock,
    log,
    pass: async (signal) => {
      for (const deployment of await rows.running()) {
        const situation = {
          ...deployment,
          nowMs: clock.now(),
          watchedSinceMs: Math.max(deployment.startedAtMs, watchingSinceMs),
        };
        const decision = await decideWithTasks(policy, deployment, situation, tasks);
        if (decision.end && (await rows.end(deployment.id, decision.status, decision.outcome))) {
          log.info(`deployment ${deployment.id} of ${deployment.project} ${decision.status}: ${decision.outcome}`);
        }
      }
      // A region whose keys cannot be read or written must not keep any project of the others from theirs.
      let failure: unknown;
      const current = new Map<string, Map<string, VersionKey>>();
      await Promise.all(
        options.regions.map(async (region) => {
          try {
            const keys = await options.keys.list(region);
            current.set(region, new Map(keys.map((key) => [key.project, key])));
          } catch (thrown) {
            failure ??= thrown;
          }
        }),
      );
      for (const [project, facts] of await rows.factsByProject()) {
        if (signal.aborted) return;
        await writeKeys(project, facts, current, options).catch((thrown: unknown) => {
          failure ??= thrown;
        });
      }
      if (failure) throw failure;
    },
  }).start();
}

/** Writes the key of each region where it differs from what it must say, or is past half of its life. */
async function writeKeys(
  project: string,
  facts: DeploymentFact[],
  currentByRegion: Map<string, Map<string, VersionKey>>,
  { keys, signer, clock, log }: ControllerOptions,
) {
  const statement = statementFor(facts);
  const written = await Promise.allSettled(
    [...currentByRegion].map(async ([region, ofRegion]) => {
      const current = ofRegion.get(project);
      const nowMs = clock.now();
      const next: UnsignedVersionKey = {
        format: 1,
        project,
        region,
        sequence: (current?.sequence ?? 0) + 1,
        issuedAt: nowMs,
        expiresAt: nowMs + keyLifetimeMs,
        ...statement,
      };
      const fresh = current && current.expiresAt - nowMs > keyLifetimeMs / 2;
      if (current && fresh && sameStatement(current, next)) return;
      if (!current && !statement.stable && !statement.candidate) return;
      if (await keys.put(signer.sign(next), current?.sequence ?? 0)) {
        const runs = statement.candidate?.build ?? statement.stable?.build ?? 'nothing';
        log.info(`version key ${project}/${region} #${next.sequence}: ${runs}`);
      }
    }),
  );
  const failed = written.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
