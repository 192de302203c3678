import { formatDuration } from '@starling/shared/durations.ts';
import { type Forecast, type Measured, ratioOf } from '@starling/shared/forecast.ts';
import { describeWaveOf } from '@starling/shared/rollout-plan.ts';
import type { Session } from '../session.ts';
import { formatTable } from '../terminal/table.ts';
import { oneLine } from '../terminal/terminal.ts';
import { type Ink, marked, percent, shortSha, statusText, timeAgo, tookText } from '../terminal/wording.ts';
import type { Deployment } from '../waits/wait-for-deployment.ts';

export type Gate = Deployment['gates'][number];
const symbolOfGate = { PASSED: 'good', BYPASSED: 'warn', WAITING: 'waiting', REFUSED: 'bad' } as const;

/** A deployment with its regions, on stdout. */
export function printDeployment(session: Session, deployment: Deployment, complaints: readonly string[] = []): void {
  session.print(deployment, () => {
    const text = describeDeployment(deployment, session.outInk, session.clock.now(), session.terminal.out.columns);
    return complaints.length > 0
      ? `${text}\nFailed machines:\n${complaints.map((line) => `  ${line}\n`).join('')}`
      : text;
  });
}

/** `3 m 25 s; it took 3 m, 12 % less`. */
export function forecastText(forecast: Pick<Forecast, 'totalMs'>, measured: Pick<Measured, 'totalMs'> | null): string {
  const foretold = formatDuration(forecast.totalMs);
  if (!measured) return foretold;
  const ratio = ratioOf(forecast, measured);
  const off = Math.round(Math.abs(ratio - 1) * 100);
  const words = off === 0 ? 'as foretold' : `${off} % ${ratio > 1 ? 'more' : 'less'}`;
  return `${foretold}; it took ${formatDuration(measured.totalMs)}, ${words}`;
}

export function describeDeployment(
  deployment: Deployment,
  ink: Ink,
  nowMs: number,
  columns: number | undefined,
): string {
  const { build } = deployment;
  const facts: [string, string][] = [
    ['deployment', `${deployment.id} (${deployment.kind}) of ${deployment.project}`],
    ['status', statusText(deployment.status, ink)],
    ['build', `${deployment.buildId}  ${oneLine(build.commitSubject)}`],
    ['commit', `${shortSha(build.commitSha)} by ${oneLine(build.commitAuthor)}`],
    ['before', deployment.previousBuildId ?? 'nothing'],
    ['by', `${oneLine(deployment.requestedBy)}, ${timeAgo(deployment.createdAt, nowMs)}`],
    ['took', tookText(deployment.createdAt, deployment.finishedAt, nowMs)],
  ];
  if (deployment.forecast) facts.push(['forecast', forecastText(deployment.forecast, deployment.measured)]);
  facts.push(...waveFacts(deployment, ink, nowMs));
  if (deployment.reason) facts.push(['reason', oneLine(deployment.reason)]);
  if (deployment.outcome) facts.push(['outcome', oneLine(deployment.outcome)]);
  const gates = deployment.gates.map((gate) => `  ${gateText(gate, ink)}\n`).join('');
  const inWaves = (deployment.plan?.waves.length ?? 1) > 1;
  const someWait = deployment.regions.some(({ waiting }) => waiting > 0);
  const rows = deployment.regions.map((region) => [
    region.region,
    percent(region.done, region.machines),
    String(region.machines),
    String(region.done),
    String(region.inProgress),
    region.failed > 0 ? ink.paint('bad', String(region.failed)) : '0',
    String(region.offline),
    ...(someWait ? [String(region.waiting)] : []),
    ...(inWaves ? [String(region.notReached)] : []),
  ]);
  const table = formatTable(
    [
      { title: 'REGION' },
      { title: 'DONE', align: 'right' },
      { title: 'MACHINES', align: 'right' },
      { title: 'CONFIRMED', align: 'right' },
      { title: 'IN PROGRESS', align: 'right' },
      { title: 'FAILED', align: 'right' },
      { title: 'OFFLINE', align: 'right' },
      ...(someWait ? [{ title: 'WAITING', align: 'right' } as const] : []),
      ...(inWaves ? [{ title: 'NOT REACHED', align: 'right' } as const] : []),
    ],
    rows,
    { columns, paint: ink.paint },
  );
  const head = facts.map(([name, value]) => `${ink.paint('quiet', name.padEnd(11))}${value}\n`).join('');
  return `${head}${gates && `\nGates, in the order in which they are asked:\n${gates}`}\n${table}`;
}

/** `approvals WAITING: 1 of 2 approvals by ada`. */
export function gateText({ gate, status, detail }: Pick<Gate, 'gate' | 'status' | 'detail'>, ink: Ink): string {
  return `${marked(symbolOfGate[status], `${gate} ${status}`, ink)}: ${oneLine(detail)}`;
}

/** Which wave it is in and, where it stands still, who wants that and why. */
export function waveFacts(deployment: Deployment, ink: Ink, nowMs: number): [string, string][] {
  const { plan, wave, bakeBeganAt, pausedAt, pausedBy, pauseReason, stopped, status } = deployment;
  const facts: [string, string][] = [];
  if (plan && plan.waves.length > 1) facts.push(['wave', describeWaveOf(plan, wave)]);
  if (status !== 'RUNNING') return facts;
  if (pausedAt) {
    const who = pausedBy === 'starling' ? 'halted' : `paused by ${oneLine(pausedBy ?? '')}`;
    const why = pauseReason ? `: ${oneLine(pauseReason)}` : '';
    facts.push(['stands', marked('warn', `${who} ${timeAgo(pausedAt, nowMs)}${why}`, ink)]);
  } else if (stopped) {
    facts.push([
      'stands',
      marked('warn', `the line is stopped by ${oneLine(stopped.by)}: ${oneLine(stopped.reason)}`, ink),
    ]);
  } else if (plan && bakeBeganAt) {
    const leftMs = Date.parse(bakeBeganAt) + (plan.waves[wave - 1]?.bakeMs ?? 0) - nowMs;
    facts.push(['bakes', leftMs > 0 ? `${formatDuration(leftMs)} more` : 'long enough']);
  }
  if (deployment.checking) facts.push(...checkFacts(deployment.checking, ink));
  return facts;
}

/** `checks  ○ error-rate: 2 of 5 measured; 0.004 < 0.01`, one line for each. */
function checkFacts({ wave, stage, checks }: NonNullable<Deployment['checking']>, ink: Ink): [string, string][] {
  const when = stage === 'before' ? `before wave ${wave}` : `wave ${wave} bakes`;
  return checks.map(({ name, verdict, counted, count, detail }, at) => {
    const symbol = verdict === null ? 'busy' : verdict === 'SUCCESSFUL' ? 'good' : 'bad';
    const said = detail ? `; ${oneLine(detail)}` : '';
    const text = `${oneLine(name)} ${verdict ?? `${counted} of ${count} measured`}${said}`;
    return [at === 0 ? 'checks' : '', `${marked(symbol, text, ink)}${at === 0 ? ` (${when})` : ''}`];
  });
}
