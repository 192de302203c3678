import { type ProjectSettings, settingsOf } from '@starling/shared/project-settings.ts';
import type { CheckStage, CheckVerdict, RolloutCheck } from '@starling/shared/rollout-checks.ts';
import { checksOf, type RolloutPlan } from '@starling/shared/rollout-plan.ts';
import { type SQL, sql } from 'drizzle-orm';
import type { Queryable } from '../db/connect.ts';
import { isHeld } from '../steering/line.ts';
import { type CheckState, judgeCheck, type Measured } from './judge.ts';
import type { CheckedDeployment } from './measurement.ts';

// Where running deployments are being checked follows from their rows, which the rollout controller writes: before a wave
// begins, or while one bakes. After a pause everything is measured anew, as somebody may have changed something.

/** A deployment in the middle of its checks, and what was measured in this stage so far. */
export interface Stage {
  deployment: CheckedDeployment;
  wave: number;
  stage: CheckStage;
  checks: { check: RolloutCheck; measured: Measured[]; state: CheckState }[];
  settings: ProjectSettings;
  /** By the database's clock, as the moments of the measurements are. */
  nowMs: number;
}

/** The deployments whose waves are being checked and that do not stand still. */
export const stagesToMeasure = (where: Queryable): Promise<Stage[]> => read(where, sql`not ${isHeld}`);

/** The stage that one deployment is in; undefined when nothing of it is being checked. */
export async function stageOf(where: Queryable, deployment: number): Promise<Stage | undefined> {
  return (await read(where, sql`d.id = ${deployment}`))[0];
}

interface Row extends CheckedDeployment {
  wave: number;
  stage: CheckStage;
  plan: RolloutPlan;
  settings: unknown;
  nowMs: number;
  measured: { check: string; beganAtMs: number; verdict: CheckVerdict | null; detail: string }[] | null;
}

async function read(where: Queryable, condition: SQL): Promise<Stage[]> {
  const rows = (await where.execute(sql`
    select s.id, s.project, s.build_id as build, b.commit_sha as "commitSha", s.previous_build_id as "previousBuild",
      s.checked_wave as wave, s.stage, s.plan, p.settings, extract(epoch from clock_timestamp()) * 1000 as "nowMs",
      (select jsonb_agg(jsonb_build_object('check', m.check, 'verdict', m.verdict, 'detail', m.detail,
          'beganAtMs', extract(epoch from m.began_at) * 1000) order by m.id)
        from measurements m
        where m.deployment = s.id and m.wave = s.checked_wave and m.stage = s.stage
          and m.began_at >= greatest(s.began_at, s.resumed_at)) as measured
    from (
      select d.*, coalesce(d.checks_began_at, d.bake_began_at) as began_at,
        case when d.checks_began_at is null then 'bake' else 'before' end as stage,
        case when d.checks_began_at is null then d.wave else d.wave + 1 end as checked_wave
      from deployments d
      where d.status = 'RUNNING' and d.plan -> 'analysis' is not null
        and (d.checks_began_at is not null or d.bake_began_at is not null) and ${condition}
    ) s
    join projects p on p.name = s.project
    join builds b on b.id = s.build_id`)) as unknown as Row[];
  return rows.map(({ wave, stage, plan, settings, nowMs, measured, ...deployment }) => ({
    deployment: { ...deployment, id: Number(deployment.id) },
    wave,
    stage,
    checks: checksOf(plan, stage).map((check) => {
      const own = (measured ?? []).filter((one) => one.check === check.name);
      return { check, measured: own, state: judgeCheck(check, own) };
    }),
    settings: settingsOf(settings),
    nowMs: Number(nowMs),
  }));
}

/** A stage as people see it. */
export const describeStage = ({ wave, stage, checks }: Stage) => ({
  wave,
  stage,
  checks: checks.map(({ check, measured, state }) => ({
    name: check.name,
    verdict: state.verdict,
    /** Measurements that count so far, of how many that decide. */
    counted: state.counted,
    count: check.count,
    detail: state.detail,
    lastAt: measured.length > 0 ? new Date(measured.at(-1)!.beganAtMs) : null,
  })),
});
