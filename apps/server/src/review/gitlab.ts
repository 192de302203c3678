import type { ReviewVerdict } from '../gates/judge.ts';
import { ask, type Provider } from './provider.ts';

interface MergeRequest {
  iid: number;
  state: 'opened' | 'closed' | 'locked' | 'merged';
}
interface Approvals {
  approved: boolean;
  approvals_left?: number;
  approved_by: { user: { username: string } }[];
}
interface Pipeline {
  id: number;
  status: string;
}

/** Whether GitLab says that the merge request of a commit was approved and its newest pipeline passed. */
export async function reviewOnGitLab(provider: Provider, repository: string, sha: string): Promise<ReviewVerdict> {
  const headers = { 'private-token': provider.token };
  const get = <T>(path: string) => ask<T>(provider, `/projects/${encodeURIComponent(repository)}${path}`, headers);
  const requests = (await get<MergeRequest[]>(`/repository/commits/${sha}/merge_requests`)) ?? [];
  const request = requests.find(({ state }) => state === 'merged') ?? requests.find(({ state }) => state === 'opened');
  if (!request) return { state: 'waiting', detail: `GitLab knows no merge request of ${sha.slice(0, 12)}` };
  const approvals = await get<Approvals>(`/merge_requests/${request.iid}/approvals`);
  const names = approvals?.approved_by.map(({ user }) => user.username) ?? [];
  // Without a rule GitLab calls a request approved that nobody has looked at.
  if (!approvals?.approved || names.length === 0) {
    const left = approvals?.approvals_left ? `; ${approvals.approvals_left} more are needed` : '';
    return { state: 'waiting', detail: `merge request ${request.iid} is not approved${left}` };
  }
  const pipelines = (await get<Pipeline[]>(`/pipelines?sha=${sha}&order_by=id&sort=desc&per_page=1`)) ?? [];
  const [newest] = pipelines;
  if (newest && newest.status !== 'success' && newest.status !== 'skipped') {
    return { state: 'waiting', detail: `pipeline ${newest.id} is ${newest.status}` };
  }
  return { state: 'passed', detail: `merge request ${request.iid} was approved by ${names.join(', ')}` };
}
