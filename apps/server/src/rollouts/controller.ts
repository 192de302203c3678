import type { Clock } from '@starling/shared/clock.ts';
import type { MaintenanceRule } from '@starling/shared/maintenance.ts';
import { planRollout, reachOf } from '@starling/shared/rollout-plan.ts';
import type { Signer } from '@starling/shared/signing.ts';
import {
  fractionReaching,
  sameStatement,
  type UnsignedVersionKey,
  type VersionKey,
} from '@starling/shared/version-key.ts';
import type { Logger } from '../lib/log.ts';
import { Loop } from '../lib/loop.ts';
import type { VersionKeyStore } from '../version-keys/version-key-store.ts';
import type { RolloutPolicy } from './decide.ts';
import { type DeploymentFact, keyLifetimeMs, statementFor, type WaitingBuild } from './desired-key.ts';
import type { AfterTasks } from './end-with-tasks.ts';
import { nextStep } from './next-step.ts';
import type { Analysis, DeploymentRows, RunningDeployment } from './ports.ts';
import { isSecretDue, swarmSecretAfter } from './swarm-secret.ts';

export interface ControllerOptions {
  rows: DeploymentRows;
  keys: VersionKeyStore;
  signer: Signer;
  tasks: AfterTasks;
  analysis: Analysis;
  regions: readonly string[];
  policy: RolloutPolicy;
  everyMs: number;
  clock: Clock;
  log: Logger;
}

/**
 * The loop that takes deployments through their waves, ends them, and keeps the version keys true. It is the only writer of
 * keys. All of it compares what is with what must be, so a pass that was cut off is completed by the next, here or on
 * another server.
 *
 * The keys are read before the deployments that say what they must be. A pass that is held up between reading and writing
 * then writes over a number that a newer leader has already counted on from, and is refused.
 */
export function startRolloutController(options: ControllerOptions): Loop {
  const { rows, everyMs, clock, log } = options;
  const watchingSinceMs = clock.now();
  return new Loop({
    name: 'rollouts',
    everyMs,
    clock,
    log,
    pass: async (signal) => {
      let failure: unknown;
      for (const deployment of await rows.running()) {
        await takeStep(deployment, watchingSinceMs, options).catch((thrown: unknown) => {
          failure ??= thrown;
        });
      }
      // A region whose keys cannot be read or written must not keep any project of the others from theirs.
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
      const [factsByProject, quarantined, maintenance, waiting] = await Promise.all([
        rows.factsByProject(),
        rows.quarantined(),
        rows.maintenance(),
        rows.waitingBuilds(),
      ]);
      // What was never deployed may be fetched ahead as well.
      for (const project of new Set([...factsByProject.keys(), ...waiting.keys()])) {
        if (signal.aborted) return;
        const facts = factsByProject.get(project) ?? [];
        const also = {
          quarantined: quarantined.get(project) ?? [],
          rules: maintenance.get(project) ?? [],
          waiting: waiting.get(project) ?? [],
        };
        await writeKeys(project, facts, also, current, options).catch((thrown: unknown) => {
          failure ??= thrown;
        });
      }
      if (failure) throw failure;
    },
  }).start();
}

/** What goes to everyone at once: a rollback, and what was asked for before there were plans. */
const everyoneAtOnce = planRollout([], []);

async function takeStep(
  deployment: RunningDeployment,
  watchingSinceMs: number,
  { rows, tasks, analysis, policy, regions, clock, log }: ControllerOptions,
): Promise<void> {
  const { id, project } = deployment;
  const { settleMs, ...thresholds } = policy;
  const plan = deployment.plan ?? { ...everyoneAtOnce, ...thresholds };
  const watchedSinceMs = Math.max(deployment.startedAtMs, watchingSinceMs);
  const situation = { ...deployment, nowMs: clock.now(), watchedSinceMs };
  const measured = plan.analysis ? await analysis.verdict(id) : undefined;
  const next = nextStep(plan, settleMs, deployment, situation, await tasks.verdict(id), measured);
  const say = (text: string) => log.info(`deployment ${id} of ${project} ${text}`);
  switch (next.step) {
    case 'hold':
      return;
    case 'bake':
      if (await rows.bake(deployment)) say(`bakes in wave ${deployment.wave} of ${plan.waves.length}`);
      return;
    case 'check':
      if (await rows.check(deployment)) say(`is checked before wave ${deployment.wave + 1} of ${plan.waves.length}`);
      return;
    case 'advance': {
      const machines = await rows.onlineMachines();
      const reach = reachOf(plan, next.to, regions, (region, share) => {
        const there = machines.filter((machine) => machine.region === region).map((machine) => machine.id);
        // Machines come and go; whoever was reached stays so.
        const before = deployment.reach?.[region]?.fraction ?? 0;
        return Math.max(before, fractionReaching(deployment.salt, there, share));
      });
      if (await rows.advance(deployment, next.to, reach, next.why)) {
        say(`is in wave ${next.to} of ${plan.waves.length}: ${next.why}`);
      }
      return;
    }
    case 'halt':
      if (await rows.halt(deployment, next.why)) say(`is halted: ${next.why}`);
      return;
    case 'release-tasks':
      return tasks.release(id);
    case 'end':
      if (next.release) await tasks.release(id);
      if (await rows.end(deployment, next.status, next.outcome)) say(`${next.status}: ${next.outcome}`);
  }
}

/** Writes the key of each region where it differs from what it must say, or is past half of its life. */
async function writeKeys(
  project: string,
  facts: DeploymentFact[],
  {
    quarantined,
    rules,
    waiting,
  }: { quarantined: readonly string[]; rules: readonly MaintenanceRule[]; waiting: readonly WaitingBuild[] },
  currentByRegion: Map<string, Map<string, VersionKey>>,
  { keys, signer, clock, log }: ControllerOptions,
) {
  const written = await Promise.allSettled(
    [...currentByRegion].map(async ([region, ofRegion]) => {
      const current = ofRegion.get(project);
      const nowMs = clock.now();
      const statement = statementFor(facts, region, quarantined, rules, waiting);
      const next: UnsignedVersionKey = {
        format: 1,
        project,
        region,
        sequence: (current?.sequence ?? 0) + 1,
        issuedAt: nowMs,
        expiresAt: nowMs + keyLifetimeMs,
        ...statement,
        swarm: swarmSecretAfter(current?.swarm, nowMs),
      };
      const fresh = current && current.expiresAt - nowMs > keyLifetimeMs / 2 && !isSecretDue(current.swarm, nowMs);
      if (current && fresh && sameStatement(current, next)) return;
      if (!current && !statement.stable && !statement.candidate && statement.prefetch.length === 0) return;
      if (await keys.put(signer.sign(next), current?.sequence ?? 0)) {
        const runs = statement.candidate?.build ?? statement.stable?.build ?? 'nothing';
        log.info(`version key ${project}/${region} #${next.sequence}: ${runs}`);
      }
    }),
  );
  const failed = written.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
