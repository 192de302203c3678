import { StarlingError } from '@starling/shared/errors.ts';
import { deploymentKinds, deploymentStatuses, projectName } from '@starling/shared/words.ts';
import { z } from 'zod';
import { deploymentHistory } from '../history/deployments.ts';
import { readTrends } from '../history/trends.ts';
import { buildReference } from './builds.ts';
import { findProject } from './projects.ts';
import { ofProjectOrVisible, visibleNames } from './scopes.ts';
import { needs, router } from './trpc.ts';

const time = z.iso.datetime({ offset: true });
const dayMs = 86_400_000;
const mostBuckets = 400;

export const historyRouter = router({
  /** Who deployed what, when, where, why and how it ended; newest first. */
  list: needs('view', ofProjectOrVisible)
    .input(
      z.object({
        project: projectName.optional(),
        /** A build id, or the first digits of a commit's SHA. */
        build: buildReference.optional(),
        /** Who asked for it, as shown. */
        person: z.string().max(300).optional(),
        kind: z.enum(deploymentKinds).optional(),
        status: z.enum(deploymentStatuses).optional(),
        /** When it was asked for. */
        from: time.optional(),
        to: time.optional(),
        /** The id of the last one of the page before. */
        before: z.number().int().positive().optional(),
        limit: z.number().int().min(1).max(200).default(50),
      }),
    )
    .query(({ ctx, input }) => {
      const { before, limit, from, to, ...filter } = input;
      const times = { from: from ? new Date(from) : undefined, to: to ? new Date(to) : undefined };
      const visible = input.project ? undefined : visibleNames(ctx.caller);
      const page = { before, limit, visible };
      return ctx.reader.read((database) => deploymentHistory(database, { ...filter, ...times }, page));
    }),

  /** DORA's measures and what building takes, over a period (30 days by default), by day or week. */
  trends: needs('view', ofProjectOrVisible)
    .input(
      z.object({
        project: projectName.optional(),
        from: time.optional(),
        to: time.optional(),
        bucket: z.enum(['day', 'week']).default('day'),
      }),
    )
    .query(async ({ ctx, input }) => {
      if (input.project) await findProject(ctx.database, input.project);
      const to = input.to ? new Date(input.to) : new Date(ctx.clock.now());
      const from = input.from ? new Date(input.from) : new Date(to.getTime() - 30 * dayMs);
      const buckets = (to.getTime() - from.getTime()) / (input.bucket === 'day' ? dayMs : 7 * dayMs);
      if (!(buckets > 0 && buckets <= mostBuckets)) {
        throw new StarlingError('INVALID_INPUT', `from: the period has to have 1 to ${mostBuckets} ${input.bucket}s`, {
          field: 'from',
          fix: 'Choose a shorter period, or weeks.',
        });
      }
      const projects = input.project ? [input.project] : visibleNames(ctx.caller);
      const asked = { projects, from, to, bucket: input.bucket };
      return { from, to, ...(await ctx.reader.read((database) => readTrends(database, asked))) };
    }),
});
