import type { FetchProgress } from '@starling/shared/hub-protocol.ts';
import {
  addSources,
  mostRacks,
  mostSlowest,
  mostViews,
  noBytes,
  noRack,
  type SwarmView,
  shareStep,
  shareSteps,
  whySlow,
} from '@starling/shared/swarm-view.ts';

/** What a machine said last of its fetch for one project. */
interface Told {
  machine: string;
  rack: string;
  progress: FetchProgress;
  startedAt: number;
  startedBytes: number;
  /** When it had everything. */
  doneAt: number | undefined;
}

interface Watched {
  project: string;
  deployment: number;
  machines: Map<string, Told>;
  /** Something was said since it was viewed last. */
  isNew: boolean;
  viewedAt: number;
}

/** A fetch shorter than this says little of what a machine's link can do. */
const tellingBytes = 4 * 1024 * 1024;
const tellingMs = 500;
/** How often a view is said again in which machines still fetch. */
const repeatEveryMs = 10_000;

/**
 * What the machines of this hub say of their fetches, folded into one view of bounded size for each deployment. A machine
 * is in the view of its project's last deployment, until it goes.
 */
export class SwarmEyes {
  readonly #watched = new Map<number, Watched>();
  /** By machine and project: which deployment it is counted in. */
  readonly #deploymentOf = new Map<string, number>();
  readonly #clock: { now(): number };

  constructor(clock: { now(): number }) {
    this.#clock = clock;
  }

  note(machine: string, labels: Record<string, string>, progress: FetchProgress): void {
    const { project, deployment } = progress;
    const key = `${project}\n${machine}`;
    const earlier = this.#deploymentOf.get(key);
    if (earlier !== undefined && earlier !== deployment) this.#leave(machine, earlier);
    this.#deploymentOf.set(key, deployment);
    const watched = this.#watched.get(deployment) ?? {
      ...{ project, deployment, machines: new Map<string, Told>(), isNew: true, viewedAt: 0 },
    };
    this.#watched.set(deployment, watched);
    const now = this.#clock.now();
    const known = watched.machines.get(machine);
    const isDone = progress.bytesDone >= progress.bytesTotal;
    watched.machines.set(machine, {
      ...{ machine, rack: labels.rack ?? noRack, progress },
      startedAt: known?.startedAt ?? now,
      startedBytes: known?.startedBytes ?? progress.bytesDone,
      doneAt: isDone ? (known?.doneAt ?? now) : undefined,
    });
    watched.isNew = true;
  }

  /** The machine is gone. */
  forget(machine: string): void {
    for (const [deployment, { machines }] of this.#watched) if (machines.has(machine)) this.#leave(machine, deployment);
  }

  /** What changed since it was asked last, and now and then what still moves; the newest deployments when there are many. */
  due(): SwarmView[] {
    const now = this.#clock.now();
    const views = [];
    for (const watched of [...this.#watched.values()].toSorted((a, b) => b.deployment - a.deployment)) {
      if (views.length === mostViews) break;
      const isMoving = () => [...watched.machines.values()].some(({ doneAt }) => doneAt === undefined);
      if (!watched.isNew && (now - watched.viewedAt < repeatEveryMs || !isMoving())) continue;
      watched.isNew = false;
      watched.viewedAt = now;
      views.push(viewOf(watched));
    }
    return views;
  }

  #leave(machine: string, deployment: number): void {
    const watched = this.#watched.get(deployment);
    if (!watched) return;
    watched.machines.delete(machine);
    watched.isNew = true;
    this.#deploymentOf.delete(`${watched.project}\n${machine}`);
    if (watched.machines.size === 0) this.#watched.delete(deployment);
  }
}

function viewOf({ project, deployment, machines }: Watched): SwarmView {
  const all = [...machines.values()];
  const shares = new Array<number>(shareSteps).fill(0);
  const racks = new Map<string, { rack: string; shares: number[]; bytesPerSecond: number; left: number }>();
  const view = { bytesDone: 0, bytesTotal: 0, bytesPerSecond: 0, wrongPieces: 0, sources: noBytes };
  for (const { rack, doneAt, progress } of all) {
    const { bytesDone, bytesTotal, bytesPerSecond, account } = progress;
    const step = shareStep(bytesDone, bytesTotal);
    const ofRack = racks.get(rack) ?? {
      rack,
      shares: new Array<number>(shareSteps).fill(0),
      bytesPerSecond: 0,
      left: 0,
    };
    racks.set(rack, ofRack);
    shares[step]! += 1;
    ofRack.shares[step]! += 1;
    ofRack.left += Math.max(0, bytesTotal - bytesDone);
    view.bytesDone += bytesDone;
    view.bytesTotal += bytesTotal;
    if (doneAt === undefined) {
      ofRack.bytesPerSecond += bytesPerSecond;
      view.bytesPerSecond += bytesPerSecond;
    }
    view.wrongPieces += account?.wrongPieces ?? 0;
    if (account) view.sources = addSources(view.sources, account.sources);
  }
  const listed = [...racks.values()].sort((a, b) => b.left - a.left || (a.rack < b.rack ? -1 : 1));
  return {
    ...{ project, deployment, shares, ...view },
    racks: listed.slice(0, mostRacks).map(({ left: _, ...rack }) => rack),
    racksLeftOut: Math.max(0, listed.length - mostRacks),
    slowest: slowestOf(all),
    measured: measuredOf(all),
  };
}

/** Those with the most time to go at the rate they have; one that stands still has the most. */
function slowestOf(all: readonly Told[]): SwarmView['slowest'] {
  const fetching = all.filter(({ doneAt }) => doneAt === undefined);
  const rates = fetching.map(({ progress }) => progress.bytesPerSecond).sort((a, b) => a - b);
  // With one machine there is nothing to compare it with.
  const usual = rates.length > 1 ? rates[Math.floor(rates.length / 2)] : undefined;
  const leftOf = ({ progress: { bytesDone, bytesTotal, bytesPerSecond } }: Told) =>
    (bytesTotal - bytesDone) / Math.max(1, bytesPerSecond);
  return fetching
    .map((told) => ({ told, left: leftOf(told) }))
    .sort((a, b) => b.left - a.left)
    .slice(0, mostSlowest)
    .map(({ told: { machine, rack, progress } }) => {
      const { bytesDone, bytesTotal, bytesPerSecond, account = null } = progress;
      const reason = whySlow({ bytesPerSecond, account }, usual);
      return { machine, rack, bytesDone, bytesTotal, bytesPerSecond, reason, account };
    });
}

function measuredOf(all: readonly Told[]): SwarmView['measured'] {
  const telling = all.flatMap(({ doneAt, startedAt, startedBytes, progress }) => {
    const [ms, bytes] = [(doneAt ?? startedAt) - startedAt, progress.bytesDone - startedBytes];
    return ms >= tellingMs && bytes >= tellingBytes ? [{ ms, rate: Math.round((bytes / ms) * 1_000) }] : [];
  });
  const at = (values: number[], share: number) =>
    values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
  const rates = telling.map(({ rate }) => rate);
  return {
    machines: telling.length,
    medianBytesPerSecond: at(rates, 0.5),
    fastBytesPerSecond: at(rates, 0.9),
    medianMs: Math.round(
      at(
        telling.map(({ ms }) => ms),
        0.5,
      ),
    ),
  };
}
