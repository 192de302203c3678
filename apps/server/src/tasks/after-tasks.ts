import type { Database } from '../db/connect.ts';
import { releaseTasks, type TasksVerdict, tasksVerdict } from './phases.ts';

/** The tasks after a deployment, as the rollout controller asks for them. */
export function afterTasks(database: Database) {
  return {
    verdict: (deployment: number): Promise<TasksVerdict> => tasksVerdict(database, deployment, 'AFTER'),
    release: (deployment: number): Promise<void> => database.transaction((tx) => releaseTasks(tx, deployment, 'AFTER')),
  };
}
