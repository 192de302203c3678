import { runChecks } from '../doctor/run-checks.ts';
import { everywhere } from './scopes.ts';
import { needs, router } from './trpc.ts';

export const doctorRouter = router({
  /** Looks at every part this server works with: what was found, and what to do about it. Writes nothing that stays. */
  run: needs('administer', everywhere).query(({ ctx }) => runChecks(ctx.checks, ctx.clock)),
});
