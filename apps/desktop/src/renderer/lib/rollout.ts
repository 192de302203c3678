import type { DeploymentMachine, RegionProgress } from './api.ts';
import type { MachineFilter } from './search.ts';

/** What the machines of all regions together have confirmed. */
export function totalsOf(regions: readonly RegionProgress[]): Omit<RegionProgress, 'region'> {
  const totals = {
    machines: 0,
    done: 0,
    inProgress: 0,
    failed: 0,
    offline: 0,
    bytesDone: 0,
    bytesTotal: 0,
    bytesPerSecond: 0,
  };
  for (const region of regions) {
    for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += region[key];
  }
  return totals;
}

/**
 * Work done and in all, in bytes to fetch plus one unit for each machine that is through; so that both a long fetch
 * and the last machines' probes count as progress. `done` equals `total` only when every machine has ended.
 */
export function workOf(region: Omit<RegionProgress, 'region'>): { done: number; total: number } {
  const fetched = region.bytesTotal > 0 ? region.bytesDone / region.bytesTotal : 0;
  const waitingShare = region.machines > 0 ? region.inProgress / region.machines : 0;
  const ended = region.done + region.failed;
  // Half of a machine's way is the fetch, the other half the swap and the probes.
  const underWay = waitingShare > 0 ? Math.min(region.inProgress, region.inProgress * fetched) * 0.5 : 0;
  return { done: ended + underWay, total: ended + region.inProgress };
}

const noticeablyBehind = 0.1;

/** The region that holds the others up: clearly less of its work done than of the next one; null when there is none. */
export function slowestRegion(regions: readonly RegionProgress[]): string | null {
  const underWay = regions.filter((region) => region.inProgress > 0);
  if (regions.length < 2 || underWay.length === 0) return null;
  const share = (region: RegionProgress) => {
    const { done, total } = workOf(region);
    return total > 0 ? done / total : 1;
  };
  const [slowest, next] = [...regions].sort((a, b) => share(a) - share(b));
  return slowest && next && share(next) - share(slowest) >= noticeablyBehind ? slowest.region : null;
}

type MachineFacts = Pick<DeploymentMachine, 'machine' | 'online' | 'step'>;

/** Which of the table's groups a machine is in. */
export function groupOf(machine: Pick<MachineFacts, 'online' | 'step'>, isOver: boolean): MachineFilter {
  if (machine.step === 'FAILED') return 'failed';
  // What a machine confirmed stays true when the deployment is over, wherever the machine is now.
  if (machine.step === 'COMMITTED' && (machine.online || isOver)) return 'done';
  return machine.online ? 'behind' : 'offline';
}

const order: Record<MachineFilter, number> = { failed: 0, offline: 1, behind: 2, done: 3, all: 4 };

/** Failed first, then offline, then in progress, then done; by name within. */
export function sortMachines<Row extends MachineFacts>(machines: readonly Row[], isOver: boolean): Row[] {
  return [...machines].sort(
    (a, b) =>
      order[groupOf(a, isOver)] - order[groupOf(b, isOver)] ||
      a.machine.localeCompare(b.machine, 'en', { numeric: true }),
  );
}

/** When each machine was through, for the burn-up line: moments in order, with how many were by then. */
export function burnUp(
  machines: readonly Pick<DeploymentMachine, 'step' | 'updatedAt'>[],
): { at: number; done: number }[] {
  return machines
    .filter((machine) => machine.step === 'COMMITTED' && machine.updatedAt !== null)
    .map((machine) => Date.parse(machine.updatedAt!))
    .sort((a, b) => a - b)
    .map((at, index) => ({ at, done: index + 1 }));
}
