import { formatBytes } from '@starling/shared/durations.ts';
import { describeWaveOf } from '@starling/shared/rollout-plan.ts';
import type { Api } from '../client.ts';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { followChanges } from '../live-changes.ts';
import type { Session } from '../session.ts';
import { openProgress, type ProgressLine } from '../terminal/progress.ts';
import { oneLine } from '../terminal/terminal.ts';
import { counted, percent } from '../terminal/wording.ts';
import { readUntil } from './read-until.ts';

export type Deployment = Awaited<ReturnType<Api['deployments']['get']['query']>>;
export type RegionProgress = Deployment['regions'][number];
export type DeploymentMachine = Awaited<ReturnType<Api['deployments']['machines']['query']>>[number];

/** `eu 3/4 machines, 1 fetching 63 %, 120.0 MiB/s`: what the machines of a region confirmed, and what the rest does. */
export function regionLine(region: RegionProgress): ProgressLine {
  const { done, machines, inProgress, failed, offline, bytesDone, bytesTotal, bytesPerSecond } = region;
  const parts = [`${region.region} ${done}/${counted(machines, 'machine')}`];
  if (failed > 0) parts.push(`${failed} failed`);
  if (inProgress > 0) {
    const fetching = bytesTotal > 0 && bytesDone < bytesTotal;
    parts.push(`${inProgress} ${fetching ? `fetching ${percent(bytesDone, bytesTotal)}` : 'in progress'}`);
    if (bytesPerSecond > 0) parts.push(`${formatBytes(Math.round(bytesPerSecond))}/s`);
  }
  if (offline > 0) parts.push(`${offline} offline`);
  if (region.waiting > 0) parts.push(`${region.waiting} waiting for their window`);
  if (region.notReached > 0) parts.push(`${region.notReached} in later waves`);
  return { key: region.region, state: stateOf(region), text: parts.join(', ') };
}

/** `approvals: 1 of 2 approvals by ada`: what a deployment that has not begun waits for. */
export function gateLine({ gate, status, detail }: Deployment['gates'][number]): ProgressLine {
  const state = status === 'WAITING' ? 'busy' : status === 'REFUSED' ? 'failed' : 'done';
  return { key: gate, state, text: `${gate}: ${oneLine(detail)}` };
}

/** The wave it is in, and why it stands still when it does; nothing where there is one wave only. */
function waveLine(deployment: Deployment): ProgressLine[] {
  const { plan, wave, pausedAt, pausedBy, pauseReason, stopped } = deployment;
  const held = pausedAt
    ? `${pausedBy === 'starling' ? 'halted' : `paused by ${pausedBy}`}${pauseReason ? `: ${pauseReason}` : ''}`
    : stopped
      ? `the line is stopped by ${stopped.by}: ${stopped.reason}`
      : undefined;
  const parts = [...(plan && plan.waves.length > 1 ? [describeWaveOf(plan, wave)] : []), ...(held ? [held] : [])];
  return parts.length > 0 ? [{ key: 'wave', state: 'busy', text: oneLine(parts.join('; ')) }] : [];
}

function stateOf({ machines, inProgress, failed, done, offline }: RegionProgress): ProgressLine['state'] {
  if (machines === 0) return 'done';
  if (inProgress > 0) return 'busy';
  if (failed > 0) return 'failed';
  return offline > 0 || done < machines ? 'busy' : 'done';
}

export interface DeploymentWait {
  deployment: number;
  timeoutMs: number;
}

/**
 * Waits until a deployment has ended. Returns it when it SUCCEEDED; otherwise `onEnded` gets it for its data to be
 * printed, and a CommandFailure tells what the machines complain of.
 */
export async function waitForDeployment(
  session: Session,
  wait: DeploymentWait,
  onEnded: (deployment: Deployment) => void,
): Promise<void> {
  const api = await session.api();
  const changes = followChanges(api, session.clock);
  const progress = openProgress(
    `Machines that confirmed deployment ${wait.deployment}`,
    session.terminal,
    session.clock,
  );
  let ended: Deployment;
  try {
    ended = await readUntil(session, {
      what: `Deployment ${wait.deployment}`,
      timeoutMs: wait.timeoutMs,
      resume: `starling deployment ${wait.deployment} --wait`,
      changes,
      topics: ['deployments', 'machines'],
      read: (signal) => api.deployments.get.query({ id: wait.deployment }, { signal }),
      onValue: (deployment) =>
        progress.update(
          deployment.status === 'WAITING'
            ? deployment.gates.map(gateLine)
            : [...waveLine(deployment), ...deployment.regions.map(regionLine)],
        ),
      isOver: (deployment) => deployment.status !== 'RUNNING' && deployment.status !== 'WAITING',
      onUnreachable: (reason) => progress.remark(reason),
    });
  } finally {
    changes.close();
    await progress.end();
  }
  onEnded(ended);
  if (ended.status === 'SUCCEEDED') return;
  const complaints = await machineComplaints(api, ended, { most: 5, firstInFull: false });
  throw new CommandFailure({
    message: [
      `Deployment ${ended.id} ${ended.status}: ${oneLine(ended.outcome ?? 'no reason was given')}`,
      ...complaints,
    ].join('\n'),
    fix:
      complaints.length > 0
        ? `Read more of what its machines said with: starling deployment ${ended.id}`
        : `See where its machines are now with: starling status ${ended.project}`,
    exitCode: exitCodes.failed,
  });
}

const machinesPerPage = 500;
const mostPages = 20;

/**
 * Some of the failed machines, each with the first line of what it said; `firstInFull` adds the rest of what the first
 * one said, such as the end of its log. Empty when none failed.
 */
export async function machineComplaints(
  api: Api,
  deployment: Deployment,
  { most, firstInFull }: { most: number; firstInFull: boolean },
): Promise<string[]> {
  const failed = await failedMachines(api, deployment, most);
  const total = deployment.regions.reduce((sum, region) => sum + region.failed, 0);
  const lines = failed.flatMap(({ machine, detail }, index) => {
    const [first = '', ...rest] = detail.split('\n').map(oneLine);
    const complaint = `${machine}: ${first || 'gave no reason'}`;
    return firstInFull && index === 0 ? [complaint, ...foldRepeats(rest).map((line) => `  ${line}`)] : [complaint];
  });
  if (total > failed.length && failed.length > 0) lines.push(`and ${total - failed.length} more`);
  return lines;
}

/** A program that starts again and again writes the same line each time. */
function foldRepeats(lines: readonly string[]): string[] {
  const folded: { line: string; times: number }[] = [];
  for (const line of lines.filter(Boolean)) {
    const last = folded.at(-1);
    if (last?.line === line) last.times += 1;
    else folded.push({ line, times: 1 });
  }
  return folded.map(({ line, times }) => (times > 1 ? `${line} (${times} times)` : line));
}

async function failedMachines(api: Api, deployment: Deployment, most: number): Promise<DeploymentMachine[]> {
  const found: DeploymentMachine[] = [];
  for (const { region, failed } of deployment.regions) {
    let after: string | undefined;
    let left = failed;
    for (let page = 0; page < mostPages && left > 0 && found.length < most; page += 1) {
      const machines = await api.deployments.machines.query({
        id: deployment.id,
        region,
        limit: machinesPerPage,
        ...(after !== undefined && { after }),
      });
      for (const machine of machines) {
        if (machine.step !== 'FAILED') continue;
        left -= 1;
        if (found.length < most) found.push(machine);
      }
      if (machines.length < machinesPerPage) break;
      after = machines.at(-1)?.machine;
    }
  }
  return found;
}
