import { somewhere } from './scopes.ts';
import { needs, router } from './trpc.ts';

export const sessionRouter = router({
  whoAmI: needs('view', somewhere).query(({ ctx: { caller, version } }) => ({
    name: caller.name,
    grants: caller.kind === 'person' ? caller.grants : [],
    version,
  })),
});
