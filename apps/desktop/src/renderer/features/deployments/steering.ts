import type { DeploymentWithRegions } from '../../lib/api.ts';

type Steered = Pick<
  DeploymentWithRegions,
  'status' | 'kind' | 'wave' | 'pausedAt' | 'pausedBy' | 'promotedTo' | 'stopped'
> & { plan: { waves: readonly unknown[] } | null };

/** Why a deployment cannot be paused, resumed or promoted as it is; null when it can. The server has the last word. */
export function whyNotSteer(verb: 'pause' | 'resume' | 'promote', deployment: Steered): string | null {
  const { status, kind, wave, plan, pausedAt, pausedBy, promotedTo, stopped } = deployment;
  if (status === 'WAITING') return 'It has not begun.';
  if (status !== 'RUNNING') return `It has ended: ${status.toLowerCase()}.`;
  if (verb === 'resume') return pausedAt === null ? 'It is not paused.' : null;
  if (verb === 'pause') {
    if (kind === 'ROLLBACK') return 'A rollback goes to every machine at once: there is nothing to pause.';
    return pausedAt === null ? null : pausedBy === 'starling' ? 'It is halted.' : `It is paused, by ${pausedBy}.`;
  }
  const waves = plan?.waves.length ?? 1;
  if (wave >= waves) return waves > 1 ? 'Its last wave has begun.' : 'It goes to all machines at once.';
  if (pausedAt !== null) return 'It stands still: resume it first.';
  if (stopped !== null) return 'The line is stopped.';
  return promotedTo > wave ? `It was promoted to wave ${promotedTo} already.` : null;
}
