import { StarlingError } from '@starling/shared/errors.ts';
import { buildId, projectName } from '@starling/shared/words.ts';
import { z } from 'zod';
import { lineStops, quarantines } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { standingStops, startLine, stopLine } from '../steering/line.ts';
import { liftQuarantine, standingQuarantines } from '../steering/quarantine.ts';
import { findProject } from './projects.ts';
import { ofBuild, ofProjectOrAll, somewhere, visibleIn } from './scopes.ts';
import { needs, router } from './trpc.ts';

const why = z.string().trim().min(1, 'say why').max(1_000);

export const lineRouter = router({
  /** Where the line is stopped; `project` null is all of them. */
  list: needs('view', somewhere).query(({ ctx }) =>
    standingStops(ctx.database, visibleIn(ctx.caller, lineStops.project)),
  ),

  /** No deployment of the project (of any) begins or goes on, but rollbacks and hotfixes. Twice is harmless. */
  stop: needs('deploy', ofProjectOrAll)
    .input(z.object({ /** All projects when left out. */ project: projectName.optional(), reason: why }))
    .mutation(async ({ ctx, input }) => {
      const { project = null, reason } = input;
      if (project) await findProject(ctx.database, project);
      return ctx.database.transaction(async (tx) => {
        const stopped = await stopLine(tx, { project, reason, stoppedBy: ctx.caller.name });
        if (stopped) {
          await recordAudit(tx, {
            actor: ctx.caller.name,
            action: 'line.stop',
            project,
            target: project ?? '*',
            details: { reason },
            requestId: ctx.requestId,
          });
        }
        return { project, changed: stopped !== undefined };
      });
    }),

  /** What waited or stood still goes on. Twice is harmless; a stop of all projects is not undone by starting one. */
  start: needs('deploy', ofProjectOrAll)
    .input(z.object({ /** The stop of all projects when left out. */ project: projectName.optional() }))
    .mutation(({ ctx, input: { project = null } }) =>
      ctx.database.transaction(async (tx) => {
        const started = await startLine(tx, project, ctx.caller.name);
        if (started) {
          await recordAudit(tx, {
            actor: ctx.caller.name,
            action: 'line.start',
            project,
            target: project ?? '*',
            details: { stoppedBy: started.stoppedBy, stoppedAt: started.stoppedAt, reason: started.reason },
            requestId: ctx.requestId,
          });
        }
        return { project, changed: started !== undefined };
      }),
    ),
});

export const quarantinesRouter = router({
  /** The builds that are not deployed until somebody lifts it, newest first. */
  list: needs('view', somewhere).query(({ ctx }) =>
    standingQuarantines(ctx.database, visibleIn(ctx.caller, quarantines.project)),
  ),

  /** Lets a build be deployed again. */
  lift: needs('deploy', ofBuild)
    .input(z.object({ id: buildId, reason: why }))
    .mutation(({ ctx, input }) =>
      ctx.database.transaction(async (tx) => {
        const [lifted] = await liftQuarantine(tx, { build: input.id }, ctx.caller.name, input.reason);
        if (!lifted) {
          throw new StarlingError('PRECONDITION_FAILED', `${input.id} is not in quarantine.`, {
            field: 'id',
            fix: 'List what is with: starling quarantine',
          });
        }
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'quarantine.lift',
          project: lifted.project,
          target: input.id,
          details: { reason: input.reason, quarantinedFor: lifted.reason },
          requestId: ctx.requestId,
        });
        return lifted;
      }),
    ),
});
