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
  if (deployment.reason) facts.push(['reason', oneLine(deployment.reason)]);
  if (deployment.outcome) facts.push(['outcome', oneLine(deployment.outcome)]);
  const gates = deployment.gates.map((gate) => `  ${gateText(gate, ink)}\n`).join('');
  const rows = deployment.regions.map((region) => [
    region.region,
    percent(region.done, region.machines),
    String(region.machines),
    String(region.done),
    String(region.inProgress),
    region.failed > 0 ? ink.paint('bad', String(region.failed)) : '0',
    String(region.offline),
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
