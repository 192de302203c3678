import { signedIn } from './scopes.ts';
import { needs, router } from './trpc.ts';

export const sessionRouter = router({
  whoAmI: needs('signed-in', signedIn).query(({ ctx: { caller, version } }) => ({
    name: caller.name,
    grants: caller.kind === 'person' ? caller.grants : [],
    version,
  })),
});
