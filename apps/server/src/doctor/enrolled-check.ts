import { readIfThere } from '@starling/host/durable-file.ts';
import { identityPath, readIdentity } from '@starling/host/kept-identity.ts';
import { bad, good } from '@starling/shared/findings.ts';
import type { Check } from './run-checks.ts';

/** Whether a hub or worker is enrolled, or has a token to enrol with when it starts. */
export function enrolledCheck(
  kind: 'hub' | 'worker',
  { name, dataDir, tokenFile }: { name: string; dataDir: string; tokenFile: string | undefined },
): Check {
  const check = `identity of ${kind}`;
  const fix = `Make a token with "starling enrol ${kind}" and name its file in STARLING_ENROLMENT_TOKEN_FILE.`;
  return {
    name: check,
    fix,
    look: async () => {
      const path = identityPath(dataDir, kind, name);
      if ((await readIdentity(path))?.proof) return good(check, `${name} is enrolled: ${path}`);
      if (tokenFile === undefined)
        return bad(check, `${name} is not enrolled, and there is no token to do it with.`, fix);
      if ((await readIfThere(tokenFile))?.trim()) return good(check, `${name} enrols when it starts`);
      return bad(check, `${name} is not enrolled, and there is no token in ${tokenFile}.`, fix);
    },
  };
}
