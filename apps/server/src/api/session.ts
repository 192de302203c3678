import { router, viewerProcedure } from './trpc.ts';

export const sessionRouter = router({
  whoAmI: viewerProcedure.query(({ ctx }) => ({ ...ctx.caller, version: ctx.version })),
});
