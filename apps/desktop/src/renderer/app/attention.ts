import type { Attention } from '../../ipc-contract.ts';

/** A project's last deployment, as the overview has it. */
export interface LastDeployment {
  id: number;
  project: string;
  status: string;
}

/** What somebody who is not looking should know: what failed comes before what is under way. */
export function attentionOf(last: readonly LastDeployment[]): Attention {
  const failed = last.filter(({ status }) => status === 'FAILED');
  const running = last.filter(({ status }) => status === 'RUNNING' || status === 'WAITING');
  const named = (some: readonly LastDeployment[]) =>
    some.length === 1 ? `deployment ${some[0]?.id} of ${some[0]?.project}` : `${some.length} deployments`;
  if (failed.length > 0) return { state: 'failed', text: `${named(failed)} failed` };
  if (running.length > 0) return { state: 'busy', text: `${named(running)} under way` };
  return { state: 'quiet', text: 'nothing is being deployed' };
}
