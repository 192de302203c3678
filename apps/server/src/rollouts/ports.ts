import type { MaintenanceRule } from '@starling/shared/maintenance.ts';
import type { Reach, RolloutPlan } from '@starling/shared/rollout-plan.ts';
import type { RolloutCounts } from './decide.ts';
import type { DeploymentFact, WaitingBuild } from './desired-key.ts';
import type { AnalysisVerdict, WaveState } from './next-step.ts';

/** What the controller needs of whoever measures. */
export interface Analysis {
  /** What the checks come to in the stage that the deployment is in. */
  verdict(deployment: number): Promise<AnalysisVerdict>;
}

/** What the rollout controller reads and writes of deployments; `deployment-rows.ts` has it on PostgreSQL. */
export interface DeploymentRows {
  /** Every project with a deployment, and its deployments newest first as far as `statementFor` needs them. */
  factsByProject(): Promise<Map<string, DeploymentFact[]>>;
  /** The builds that are in quarantine, by project; at most as many as a key may name, the newest ones. */
  quarantined(): Promise<Map<string, string[]>>;
  /** When machines may be touched, by project; only of projects that say so. */
  maintenance(): Promise<Map<string, MaintenanceRule[]>>;
  /** The builds of deployments that are asked for and not begun, newest first, by project; only where they may be fetched ahead. */
  waitingBuilds(): Promise<Map<string, WaitingBuild[]>>;
  running(): Promise<RunningDeployment[]>;
  /** The machines that are online, with their regions: whom a share is a share of. */
  onlineMachines(): Promise<{ id: string; region: string }[]>;
  // What follows writes only to a deployment that is RUNNING in the wave that was read and does not stand still; it returns
  // false, and has written nothing, when that is so no more.
  advance(deployment: RunningDeployment, to: number, reach: Reach, why: string): Promise<boolean>;
  bake(deployment: RunningDeployment): Promise<boolean>;
  check(deployment: RunningDeployment): Promise<boolean>;
  halt(deployment: RunningDeployment, why: string): Promise<boolean>;
  end(deployment: RunningDeployment, status: 'SUCCEEDED' | 'FAILED', outcome: string): Promise<boolean>;
}

export interface RunningDeployment extends WaveState {
  id: number;
  project: string;
  salt: string;
  /** Null for what goes to everyone at once. */
  plan: RolloutPlan | null;
  reach: Reach;
  /** When its gates were passed, its wave began or it went on after a pause, whichever is latest. */
  startedAtMs: number;
  /** Of the machines that its waves reach so far. */
  counts: RolloutCounts;
  lastProgressAtMs: number;
  commonReason: string;
}
