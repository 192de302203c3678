import { StarlingError } from '@starling/shared/errors.ts';
import { buildId, machineId, projectName } from '@starling/shared/words.ts';
import { and, desc, eq } from 'drizzle-orm';
import { z } from 'zod';
import { deploymentMachines, deployments, machineProjects, machines } from '../../../../drizzle/schema/index.ts';
import { recordAudit } from '../audit/record.ts';
import { announce } from '../db/changes.ts';
import { countMachines, listMachines } from '../fleet/list-machines.ts';
import { machineStates } from '../fleet/machine-states.ts';
import { offlineAfterMs } from '../fleet/online.ts';
import { revokeIdentity } from '../identities/revoke.ts';
import { everywhere, somewhere, visibleIn, visibleNames } from './scopes.ts';
import { needs, router } from './trpc.ts';

const filters = {
  region: z.string().max(63).optional(),
  /** Only what machines say of this project. */
  project: projectName.optional(),
  /** How its name begins; or `label=value`. */
  find: z.string().max(300).optional(),
  /** What it runs. */
  build: buildId.optional(),
};

export const noMachine = (machine: string, field: string): StarlingError =>
  new StarlingError('NOT_FOUND', `There is no machine "${machine}".`, {
    field,
    fix: 'List them with: starling machines',
  });

export const machinesRouter = router({
  /** The fleet, page by page. `worst` lists what has failed first, then what is offline, then what is behind. */
  list: needs('view', somewhere)
    .input(
      z.object({
        ...filters,
        states: z.array(z.enum(machineStates)).min(1).optional(),
        order: z.enum(['worst', 'name']).default('name'),
        /** The last one of the page before; with `worst`, its `state` too. */
        after: z.string().max(128).optional(),
        afterState: z.enum(machineStates).optional(),
        limit: z.number().int().min(1).max(500).default(100),
      }),
    )
    .query(({ ctx, input }) => {
      const { region, project, find, build, states, order, limit } = input;
      const filter = { region, project, find, build, visible: visibleNames(ctx.caller) };
      const after = input.after === undefined ? undefined : { id: input.after, state: input.afterState };
      return ctx.reader.read((database) => listMachines(database, filter, { order, states, after, limit }));
    }),

  /** How many machines of a filter there are in each region, and in which state. */
  counts: needs('view', somewhere)
    .input(z.object(filters))
    .query(({ ctx, input }) =>
      ctx.reader.read((database) => countMachines(database, { ...input, visible: visibleNames(ctx.caller) })),
    ),

  get: needs('view', somewhere)
    .input(z.object({ id: machineId }))
    .query(async ({ ctx, input }) => {
      const [machine] = await ctx.database.select().from(machines).where(eq(machines.id, input.id));
      if (!machine) throw noMachine(input.id, 'id');
      const projects = await ctx.database
        .select()
        .from(machineProjects)
        .where(and(eq(machineProjects.machine, machine.id), visibleIn(ctx.caller, machineProjects.project)))
        .orderBy(machineProjects.project);
      const recent = await ctx.database
        .select({ outcome: deploymentMachines, project: deployments.project, buildId: deployments.buildId })
        .from(deploymentMachines)
        .innerJoin(deployments, eq(deployments.id, deploymentMachines.deployment))
        .where(and(eq(deploymentMachines.machine, machine.id), visibleIn(ctx.caller, deployments.project)))
        .orderBy(desc(deploymentMachines.deployment))
        .limit(20);
      return {
        ...machine,
        online: machine.connected && ctx.clock.now() - machine.lastSeenAt.getTime() < offlineAfterMs,
        projects,
        recentDeployments: recent.map(({ outcome, ...rest }) => ({ ...outcome, ...rest })),
      };
    }),

  /**
   * Takes machines that are no more, or are to be of another use, out of the fleet: their agents are shut out, and they are
   * neither listed nor counted any longer. What history says of them stays. NOT_FOUND, and nothing done, when one of them
   * is not known at all; doing it twice is harmless.
   */
  decommission: needs('administer', everywhere)
    .input(z.object({ ids: z.array(machineId).min(1).max(500), reason: z.string().trim().max(1_000).default('') }))
    .mutation(({ ctx, input }) =>
      ctx.database.transaction(async (tx) => {
        const ids = [...new Set(input.ids)].toSorted();
        const gone: string[] = [];
        for (const id of ids) {
          const identity = await revokeIdentity(tx, 'agent', id, ctx.caller.name);
          const rows = await tx.delete(machines).where(eq(machines.id, id)).returning({ id: machines.id });
          if (!identity && rows.length === 0) {
            throw noMachine(id, 'ids');
          }
          if (identity?.revoked || rows.length > 0) gone.push(id);
        }
        if (gone.length === 0) return { decommissioned: gone };
        await announce(tx, 'machines');
        const target = gone.length === 1 ? gone[0]! : `${gone.length} machines`;
        await recordAudit(tx, {
          actor: ctx.caller.name,
          action: 'machine.decommission',
          project: null,
          target,
          details: { machines: gone, reason: input.reason },
          requestId: ctx.requestId,
        });
        return { decommissioned: gone };
      }),
    ),
});
