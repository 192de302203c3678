import { StarlingError } from '@starling/shared/errors.ts';
import { allProjects } from '@starling/shared/permissions.ts';
import { type MachineStep, machineId, projectName } from '@starling/shared/words.ts';
import { and, desc, eq, type SQL, sql } from 'drizzle-orm';
import { z } from 'zod';
import { deploymentMachines, deployments, machineProjects, machines } from '../../../../drizzle/schema/index.ts';
import { isOnline, offlineAfterMs } from '../fleet/online.ts';
import { projectsOf, somewhere, visibleIn } from './scopes.ts';
import { needs, router } from './trpc.ts';

export interface MachineRow {
  id: string;
  region: string;
  labels: Record<string, string>;
  agentVersion: string;
  online: boolean;
  lastSeenAt: Date;
  projects: {
    project: string;
    step: MachineStep;
    observedBuild: string | null;
    desiredBuild: string | null;
    detail: string;
  }[];
}

export const machinesRouter = router({
  /** By name; `after` is the last name of the page before. */
  list: needs('view', somewhere)
    .input(
      z.object({
        region: z.string().max(63).optional(),
        project: projectName.optional(),
        after: z.string().max(128).optional(),
        limit: z.number().int().min(1).max(500).default(100),
      }),
    )
    .query(async ({ ctx, input }) => {
      const conditions: SQL[] = [sql`true`];
      if (input.region) conditions.push(sql`m.region = ${input.region}`);
      if (input.after) conditions.push(sql`m.id > ${input.after}`);
      const names = projectsOf(ctx.caller, 'view');
      const ofProject = sql.join([
        input.project ? sql`and mp.project = ${input.project}` : sql``,
        names === allProjects
          ? sql``
          : sql`and mp.project in (select jsonb_array_elements_text(${JSON.stringify(names)}::jsonb))`,
      ]);
      const query = sql`
        select m.id, m.region, m.labels, m.agent_version as "agentVersion", ${isOnline} as online, m.last_seen_at as "lastSeenAt",
          coalesce(jsonb_agg(jsonb_build_object('project', mp.project, 'step', mp.step, 'observedBuild', mp.observed_build,
            'desiredBuild', mp.desired_build, 'detail', mp.detail) order by mp.project) filter (where mp.project is not null), '[]') as projects
        from machines m
        left join machine_projects mp on mp.machine = m.id ${ofProject}
        where ${sql.join(conditions, sql` and `)}
        group by m.id order by m.id limit ${input.limit}`;
      const rows = (await ctx.reader.read((database) => database.execute(query))) as unknown as (Omit<
        MachineRow,
        'lastSeenAt'
      > & { lastSeenAt: string })[];
      return rows.map((row): MachineRow => ({ ...row, lastSeenAt: new Date(row.lastSeenAt) }));
    }),

  get: needs('view', somewhere)
    .input(z.object({ id: machineId }))
    .query(async ({ ctx, input }) => {
      const [machine] = await ctx.database.select().from(machines).where(eq(machines.id, input.id));
      if (!machine)
        throw new StarlingError('NOT_FOUND', `There is no machine "${input.id}".`, {
          field: 'id',
          fix: 'List them with: starling machines',
        });
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
});
