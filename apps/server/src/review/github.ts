import type { ReviewVerdict } from '../gates/judge.ts';
import { ask, type Provider } from './provider.ts';

interface Pull {
  number: number;
  merged_at: string | null;
  user: { login: string } | null;
  base: { ref: string };
}
interface Review {
  user: { login: string } | null;
  state: 'APPROVED' | 'CHANGES_REQUESTED' | 'DISMISSED' | 'COMMENTED' | 'PENDING';
  submitted_at: string;
}
interface CheckRuns {
  check_runs: { name: string; status: string; conclusion: string | null }[];
}
interface CombinedStatus {
  state: 'success' | 'pending' | 'failure';
  total_count: number;
}

const passing = new Set(['success', 'neutral', 'skipped']);

/** Whether GitHub says that the pull request of a commit was approved and its checks passed. */
export async function reviewOnGitHub(provider: Provider, repository: string, sha: string): Promise<ReviewVerdict> {
  const headers = {
    accept: 'application/vnd.github+json',
    'x-github-api-version': '2022-11-28',
    authorization: `Bearer ${provider.token}`,
  };
  const get = <T>(path: string) => ask<T>(provider, `/repos/${repository}${path}`, headers);
  // Finds the pull request of a squashed or rebased commit too, as GitHub remembers what it merged.
  const pulls = (await get<Pull[]>(`/commits/${sha}/pulls?per_page=100`)) ?? [];
  const pull = pulls.find(({ merged_at }) => merged_at !== null) ?? pulls[0];
  if (!pull) return { state: 'waiting', detail: `GitHub knows no pull request of ${sha.slice(0, 12)}` };
  const reviews = (await get<Review[]>(`/pulls/${pull.number}/reviews?per_page=100`)) ?? [];
  const approvers = approvedBy(reviews, pull.user?.login);
  if ('rejectedBy' in approvers) {
    return { state: 'waiting', detail: `${approvers.rejectedBy} asks for changes in pull request ${pull.number}` };
  }
  if (approvers.names.length === 0) {
    return { state: 'waiting', detail: `nobody has approved pull request ${pull.number}` };
  }
  const runs = (await get<CheckRuns>(`/commits/${sha}/check-runs?per_page=100`))?.check_runs ?? [];
  const bad = runs.find(({ status, conclusion }) => status === 'completed' && !passing.has(conclusion ?? ''));
  if (bad) return { state: 'waiting', detail: `the check "${bad.name}" ended as ${bad.conclusion}` };
  const open = runs.find(({ status }) => status !== 'completed');
  if (open) return { state: 'waiting', detail: `the check "${open.name}" is not over` };
  const combined = await get<CombinedStatus>(`/commits/${sha}/status`);
  if (combined && combined.total_count > 0 && combined.state !== 'success') {
    return { state: 'waiting', detail: `the commit's status is ${combined.state}` };
  }
  return { state: 'passed', detail: `pull request ${pull.number} was approved by ${approvers.names.join(', ')}` };
}

/** The latest word of each person counts; comments are none, and a dismissed review is taken back. */
function approvedBy(
  reviews: readonly Review[],
  author: string | undefined,
): { names: string[] } | { rejectedBy: string } {
  const latest = new Map<string, Review['state']>();
  for (const { user, state } of reviews.toSorted((a, b) => a.submitted_at.localeCompare(b.submitted_at))) {
    if (!user || user.login === author || state === 'COMMENTED' || state === 'PENDING') continue;
    latest.set(user.login, state);
  }
  const rejectedBy = [...latest].find(([, state]) => state === 'CHANGES_REQUESTED')?.[0];
  if (rejectedBy) return { rejectedBy };
  return { names: [...latest].filter(([, state]) => state === 'APPROVED').map(([name]) => name) };
}
