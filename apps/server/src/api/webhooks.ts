import { StarlingError } from '@starling/shared/errors.ts';
import { settingsOf } from '@starling/shared/project-settings.ts';
import { projectName } from '@starling/shared/words.ts';
import { eq } from 'drizzle-orm';
import { z } from 'zod';
import { projects } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import { webhookSources } from '../webhooks/check.ts';
import { listDeliveries } from '../webhooks/receive.ts';
import { webhookSecret } from '../webhooks/secret.ts';
import { findProject } from './projects.ts';
import { ofProject } from './scopes.ts';
import { needs, router } from './trpc.ts';

export const webhooksRouter = router({
  /**
   * What a repository needs to start builds of a project: the secret, and where to send events of each source. `rotate`
   * makes another secret; the one before is worthless at once. That somebody was shown a secret is audited.
   */
  secret: needs('administer', ofProject)
    .input(z.object({ project: projectName, rotate: z.boolean().default(false) }))
    .mutation(async ({ ctx, input }) => {
      const masterSecret = ctx.webhookSecret;
      if (masterSecret === undefined) {
        throw new StarlingError('PRECONDITION_FAILED', 'This Starling accepts no webhooks.', {
          fix: 'Set STARLING_WEBHOOK_SECRET_FILE on every control server; docs/how-to/webhooks.md says how.',
        });
      }
      await findProject(ctx.database, input.project);
      const generation = await ctx.database.transaction(async (tx) => {
        const [project] = await tx.select().from(projects).where(eq(projects.name, input.project)).for('update');
        const now = settingsOf(project!.settings).webhooks.generation;
        const next = input.rotate ? now + 1 : now;
        if (input.rotate) {
          const settings = { ...project!.settings, webhooks: { generation: next } };
          await tx.update(projects).set({ settings }).where(eq(projects.name, input.project));
          await announce(tx, 'projects');
        }
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: input.rotate ? 'webhook.rotate' : 'webhook.show',
          project: input.project,
          target: input.project,
          details: { generation: next },
          requestId: ctx.requestId,
        });
        return next;
      });
      const paths = webhookSources.map((source) => [
        source,
        `${ctx.publicUrl ?? ''}/webhooks/${source}/${input.project}`,
      ]);
      return {
        project: input.project,
        secret: webhookSecret(masterSecret, input.project, generation),
        generation,
        /** By source; a path only when the server was not told where people reach it. */
        addresses: Object.fromEntries(paths) as Record<(typeof webhookSources)[number], string>,
      };
    }),

  /** What came for a project and what was done about it, newest first; `before` is the time of the last one shown. */
  deliveries: needs('view', ofProject)
    .input(
      z.object({
        project: projectName,
        before: z.iso.datetime().optional(),
        limit: z.number().int().min(1).max(200).default(50),
      }),
    )
    .query(async ({ ctx, input }) => {
      await findProject(ctx.database, input.project);
      const before = input.before === undefined ? undefined : new Date(input.before);
      const rows = await listDeliveries(ctx.database, input.project, before, input.limit);
      return rows.map(({ source, ...delivery }) => ({ source: source.split('/')[0]!, ...delivery }));
    }),
});
