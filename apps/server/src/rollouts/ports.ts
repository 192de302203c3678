import type { DeploymentKind } from '@starling/shared/words.ts';
import type { RolloutCounts } from './decide.ts';
import type { DeploymentFact } from './desired-key.ts';

/** What the rollout controller reads and writes of deployments; `deployment-rows.ts` has it on PostgreSQL. */
export interface DeploymentRows {
  /** Every project with a deployment, and its deployments newest first as far as `statementFor` needs them. */
  factsByProject(): Promise<Map<string, DeploymentFact[]>>;
  running(): Promise<RunningDeployment[]>;
  /** Ends a deployment that is still RUNNING; false when it has already ended. */
  end(deployment: number, status: 'SUCCEEDED' | 'FAILED', outcome: string): Promise<boolean>;
}

export interface RunningDeployment {
  id: number;
  kind: DeploymentKind;
  project: string;
  /** When its gates were passed. */
  startedAtMs: number;
  counts: RolloutCounts;
  lastProgressAtMs: number;
  commonReason: string;
}
