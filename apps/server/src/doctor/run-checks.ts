import type { Clock } from '@starling/shared/clock.ts';
import { messageOf, StarlingError } from '@starling/shared/errors.ts';
import { bad, type Finding } from '@starling/shared/findings.ts';

/** Looks at one part. What it throws is a finding too. */
export interface Check {
  name: string;
  look(): Promise<Finding | Finding[]>;
  /** What to do when it throws or does not end. */
  fix: string;
}

const patienceMs = 10_000;

/** Runs every check at once; none may keep the others waiting. The findings come in the order of the checks. */
export async function runChecks(checks: readonly Check[], clock: Clock): Promise<Finding[]> {
  const done = new AbortController();
  const findings = await Promise.all(
    checks.map(async ({ name, look, fix }) => {
      const tooLate = clock.sleep(patienceMs, done.signal).then(() => {
        throw new Error(`it did not answer within ${patienceMs / 1_000} s`);
      });
      tooLate.catch(() => {});
      try {
        return await Promise.race([look(), tooLate]);
      } catch (thrown) {
        return bad(name, messageOf(thrown), (thrown instanceof StarlingError && thrown.fix) || fix);
      }
    }),
  );
  done.abort();
  return findings.flat();
}
