import type { Clock } from '@starling/shared/clock.ts';
import { formatDuration } from '@starling/shared/durations.ts';
import { bad, type Finding, good, warn } from '@starling/shared/findings.ts';
import type { Reader, ReplicaState } from '../db/reader.ts';
import type { Check } from './run-checks.ts';

const check = 'replica';
const fix = 'Check DATABASE_READ_URL, and pg_stat_replication on the primary.';
const patienceMs = 6_000;
const lookEveryMs = 100;

/** What is known of the replica that reads go to; no check where there is none. */
export function replicaCheck(replica: () => ReplicaState | undefined): Check[] {
  if (!replica()) return [];
  return [
    {
      name: check,
      fix,
      look: async () => describe(replica()),
    },
  ];
}

/** The same where no server has looked at it so far: waits until the reader has found it fit, or long enough. */
export function newReplicaCheck(open: () => Reader, clock: Clock): Check {
  return {
    name: check,
    fix,
    look: async () => {
      const reader = open();
      try {
        const until = clock.now() + patienceMs;
        while (!isSettled(reader.state()) && clock.now() < until) await clock.sleep(lookEveryMs);
        const found = describe(reader.state());
        return found.status === 'good' ? found : bad(check, found.detail, fix);
      } finally {
        await reader.stop();
      }
    },
  };
}

const isSettled = (state: ReplicaState | undefined) => state?.status === 'in use' || state?.status === 'wrong';

function describe(state: ReplicaState | undefined): Finding {
  if (state?.status === 'in use') return good(check, `in use, ${formatDuration(state.lagMs ?? 0)} behind at most`);
  const found = `It is ${state?.status} since ${state?.since.toISOString()}: ${state?.why}. The primary answers for it.`;
  return warn(check, found, fix);
}
