import type { HubReport } from '@starling/shared/hub-protocol.ts';
import { sql } from 'drizzle-orm';
import { announce } from '../db/changes.ts';
import type { Database } from '../db/connect.ts';
import { foldSwarmViews } from './swarm-views.ts';

// Machines' reports become rows here, a whole batch with a few statements. Each carries its machine's sequence number,
// and a row only ever moves on to a higher one, so repeats and reordering change nothing. A hub speaks for the machines of
// its region alone: what it says of one that enrolled in another region, or was shut out, is left out.

export async function foldHubReport(database: Database, report: HubReport): Promise<void> {
  const machines = newestOf(report.machines, (machine) => machine.machine);
  const reports = report.reports;
  const latest = newestOf(reports, ({ machine, project }) => `${machine}\n${project}`, bySequence);
  const outcomes = newestOf(
    reports.filter(({ deployment }) => deployment !== null),
    ({ machine, deployment }) => `${machine}\n${deployment}`,
    bySequence,
  );
  const progress = newestOf(report.progress, ({ machine, deployment }) => `${machine}\n${deployment}`);

  await database.transaction(async (tx) => {
    if (machines.length > 0) {
      await tx.execute(sql`
        insert into machines (id, region, labels, agent_version, address, hub, connected)
        select r.machine, ${report.region}, r.labels, r."agentVersion", r.address, ${report.hub}, r.connected
        from jsonb_to_recordset(${JSON.stringify(machines)}::jsonb)
          as r(machine text, labels jsonb, "agentVersion" text, address text, connected boolean)
        where not exists (
          select from identities where kind = 'agent' and name = r.machine
            and (region <> ${report.region} or revoked_at is not null))
        order by r.machine
        on conflict (id) do update set region = excluded.region, labels = excluded.labels,
          agent_version = excluded.agent_version, address = excluded.address, hub = excluded.hub,
          connected = excluded.connected, last_seen_at = now()`);
    }
    if (latest.length > 0) {
      await tx.execute(sql`
        insert into machine_projects (machine, project, step, observed_build, desired_build, deployment, detail, sequence)
        select r.machine, r.project, r.step, r."observedBuild", r."desiredBuild", r.deployment, r.detail, r.sequence
        from jsonb_to_recordset(${JSON.stringify(latest)}::jsonb)
          as r(machine text, project text, step text, "observedBuild" text, "desiredBuild" text, deployment bigint, detail text, sequence bigint)
        join machines m on m.id = r.machine and m.region = ${report.region}
        order by r.machine, r.project
        on conflict (machine, project) do update set step = excluded.step, observed_build = excluded.observed_build,
          desired_build = excluded.desired_build, deployment = excluded.deployment, detail = excluded.detail,
          sequence = excluded.sequence, updated_at = now()
        where machine_projects.sequence < excluded.sequence`);
    }
    if (outcomes.length > 0) {
      await tx.execute(sql`
        insert into deployment_machines (deployment, machine, step, detail, sequence)
        select r.deployment, r.machine, r.step, r.detail, r.sequence
        from jsonb_to_recordset(${JSON.stringify(outcomes)}::jsonb)
          as r(deployment bigint, machine text, step text, detail text, sequence bigint)
        join machines m on m.id = r.machine and m.region = ${report.region}
        order by r.deployment, r.machine
        on conflict (deployment, machine) do update set step = excluded.step, detail = excluded.detail,
          sequence = excluded.sequence, updated_at = now()
        where deployment_machines.sequence < excluded.sequence`);
    }
    if (progress.length > 0) {
      await tx.execute(sql`
        insert into deployment_machines (deployment, machine, step, detail, sequence, bytes_done, bytes_total, bytes_per_second, account)
        select r.deployment, r.machine, 'FETCHING', '', 0, r."bytesDone", r."bytesTotal", r."bytesPerSecond", r.account
        from jsonb_to_recordset(${JSON.stringify(progress)}::jsonb)
          as r(deployment bigint, machine text, "bytesDone" bigint, "bytesTotal" bigint, "bytesPerSecond" bigint, account jsonb)
        join machines m on m.id = r.machine and m.region = ${report.region}
        order by r.deployment, r.machine
        on conflict (deployment, machine) do update set bytes_done = excluded.bytes_done,
          bytes_total = excluded.bytes_total, bytes_per_second = excluded.bytes_per_second,
          account = excluded.account,
          updated_at = case when deployment_machines.bytes_done = excluded.bytes_done then deployment_machines.updated_at else now() end
        where deployment_machines.bytes_done <> excluded.bytes_done
          or deployment_machines.account is distinct from excluded.account`);
    }
    if (report.swarms) await foldSwarmViews(tx, { ...report, swarms: report.swarms });
    await announce(tx, 'machines');
  });
}

type Numbered = { sequence: number };
const bySequence = (a: Numbered, b: Numbered) => a.sequence >= b.sequence;

/** One item for each key: the one that came last, or the one that `isNewer` prefers. */
function newestOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  isNewer: (a: T, b: T) => boolean = () => true,
): T[] {
  const newest = new Map<string, T>();
  for (const item of items) {
    const key = keyOf(item);
    const known = newest.get(key);
    if (!known || isNewer(item, known)) newest.set(key, item);
  }
  return [...newest.values()];
}
