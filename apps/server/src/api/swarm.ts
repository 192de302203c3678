import { StarlingError } from '@starling/shared/errors.ts';
import { describeSlow, type SlowReason, whySlow } from '@starling/shared/swarm-view.ts';
import { buildId, machineId } from '@starling/shared/words.ts';
import { and, desc, eq } from 'drizzle-orm';
import { z } from 'zod';
import { deploymentMachines, deployments, machines, regions } from '../../../../drizzle/schema/index.ts';
import { readSwarm } from '../fleet/swarm-views.ts';
import { noMachine } from './machines.ts';
import { ofDeploymentOrBuild, somewhere, visibleIn } from './scopes.ts';
import { needs, router } from './trpc.ts';

export const swarmRouter = router({
  /**
   * How bytes move for a deployment, or for all deployments of a build: how many machines have how much, from where, how
   * fast, and which are slow and why. `view` is null when no hub saw any of it move, or it has been over for an hour.
   */
  get: needs('view', ofDeploymentOrBuild)
    .input(z.object({ deployment: z.number().int().positive().optional(), build: buildId.optional() }))
    .query(async ({ ctx, input }) => {
      const named = and(
        input.deployment === undefined ? undefined : eq(deployments.id, input.deployment),
        input.build === undefined ? undefined : eq(deployments.buildId, input.build),
      );
      if (!named) {
        throw new StarlingError('INVALID_INPUT', 'Name a deployment or a build.', { field: 'deployment' });
      }
      const [newest] = await ctx.database
        .select({ id: deployments.id, status: deployments.status, buildId: deployments.buildId })
        .from(deployments)
        .where(named)
        .orderBy(desc(deployments.id))
        .limit(1);
      if (!newest && input.deployment !== undefined)
        throw new StarlingError('NOT_FOUND', `There is no deployment ${input.deployment}.`, { field: 'deployment' });
      const ids = ctx.database.select({ id: deployments.id }).from(deployments).where(named);
      const read = await readSwarm(ctx.database, ids.getSQL(), ctx.clock.now());
      return {
        deployment: newest?.id ?? null,
        build: newest?.buildId ?? input.build ?? null,
        status: newest?.status ?? null,
        view: read?.all ?? null,
        regions: read?.regions ?? [],
      };
    }),

  /** What one machine fetches, from whom, and what it waits for: its newest deployments that moved bytes, newest first. */
  machine: needs('view', somewhere)
    .input(z.object({ machine: machineId }))
    .query(async ({ ctx, input }) => {
      const [machine] = await ctx.database
        .select({ id: machines.id, region: machines.region, labels: machines.labels, hub: machines.hub })
        .from(machines)
        .innerJoin(regions, eq(regions.name, machines.region))
        .where(eq(machines.id, input.machine));
      if (!machine) throw noMachine(input.machine, 'machine');
      const rows = await ctx.database
        .select({ fetch: deploymentMachines, project: deployments.project, build: deployments.buildId })
        .from(deploymentMachines)
        .innerJoin(deployments, eq(deployments.id, deploymentMachines.deployment))
        .where(and(eq(deploymentMachines.machine, machine.id), visibleIn(ctx.caller, deployments.project)))
        .orderBy(desc(deploymentMachines.deployment))
        .limit(5);
      const fetches = [];
      for (const { fetch, project, build } of rows) {
        const { deployment, step, detail, bytesDone, bytesTotal, bytesPerSecond, account, updatedAt } = fetch;
        const isFetching = step === 'FETCHING' && bytesDone < bytesTotal;
        const usual = isFetching ? await usualRate(deployment, machine.region) : undefined;
        const reason: SlowReason | null = isFetching ? whySlow({ bytesPerSecond, account }, usual) : null;
        fetches.push({
          ...{ deployment, project, build, step, detail, bytesDone, bytesTotal, bytesPerSecond, account, updatedAt },
          reason,
          why: reason && describeSlow(reason, account),
          usualBytesPerSecond: usual ?? null,
        });
      }
      return {
        machine: machine.id,
        region: machine.region,
        rack: machine.labels.rack ?? null,
        hub: machine.hub,
        fetches,
      };

      /** What the machines of its region that still fetch reach in the mean; undefined when it is the only one. */
      async function usualRate(deployment: number, region: string): Promise<number | undefined> {
        const ids = ctx.database
          .select({ id: deployments.id })
          .from(deployments)
          .where(eq(deployments.id, deployment))
          .getSQL();
        const seen = (await readSwarm(ctx.database, ids, ctx.clock.now()))?.regions.find(
          (one) => one.region === region,
        );
        const fetching = seen?.shares.slice(0, -1).reduce((sum, count) => sum + count, 0) ?? 0;
        return seen && fetching > 1 ? Math.round(seen.bytesPerSecond / fetching) : undefined;
      }
    }),
});
