import type { Database } from '../db/connect.ts';
import { type AnalysisVerdict, judgeStage } from './judge.ts';
import { stageOf } from './stages.ts';

/** What the checks of a deployment come to in the stage that it is in, as the rollout controller asks for it. */
export function analysis(database: Database) {
  return {
    verdict: async (deployment: number): Promise<AnalysisVerdict> =>
      judgeStage((await stageOf(database, deployment))?.checks ?? []),
  };
}
