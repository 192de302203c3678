import { rolloutSettings } from '@starling/shared/rollout-plan.ts';
import { projectName } from '@starling/shared/words.ts';
import { z } from 'zod';
import { buildReference, findBuild } from './builds.ts';
import { ofProject } from './scopes.ts';
import { needs, router } from './trpc.ts';

export const forecastsRouter = router({
  /** How long a deployment would take from when it begins, and what bytes it would move. Changes nothing. */
  get: needs('view', ofProject)
    .input(
      z.object({
        project: projectName,
        /** A build id, or the first digits of its commit's SHA. */
        build: buildReference,
        rollout: rolloutSettings.default({}),
      }),
    )
    .query(async ({ ctx, input }) => {
      const build = await findBuild(ctx.database, input.project, input.build);
      const { project, rollout } = input;
      return { build: build.id, ...(await ctx.forecaster.forecast(ctx.database, { project, build, rollout })) };
    }),
});
