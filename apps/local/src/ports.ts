import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { StarlingError } from '@starling/shared/errors.ts';

export interface PortChoice {
  /** Who listens there, for messages. */
  name: string;
  port: number;
  /** The one that was wanted, when it was taken by something else. */
  movedFrom: number | undefined;
}

/** How far from the wanted port others are looked for. */
const nearby = 20;
/**
 * Where any port will do, one from here: below what systems hand out for outgoing connections and for port 0, so that
 * nobody gets it between our look and the listening.
 */
const quietRange = { from: 10_000, to: 19_999 };
const quietTries = 200;

/** The wanted ports where they are free, else others near by (for 0: any), no two the same. */
export async function choosePorts(
  wanted: readonly { name: string; port: number }[],
  host: string,
): Promise<PortChoice[]> {
  const choices: PortChoice[] = [];
  const isTaken = (port: number) => choices.some((choice) => choice.port === port);
  for (const { name, port } of wanted) {
    let found: number | undefined;
    for (const candidate of candidatesFor(port, wanted)) {
      if (isTaken(candidate) || !(await isFree(host, candidate))) continue;
      found = candidate;
      break;
    }
    if (found === undefined) throw new StarlingError('UNAVAILABLE', `no free port on ${host} for ${name}`);
    choices.push({ name, port: found, movedFrom: port !== 0 && found !== port ? port : undefined });
  }
  return choices;
}

function candidatesFor(port: number, wanted: readonly { port: number }[]): number[] {
  const anywhere = Array.from({ length: quietTries }, () => randomInt(quietRange.from, quietRange.to + 1));
  if (port === 0) return anywhere;
  const others = new Set(wanted.map((other) => other.port));
  const around = Array.from({ length: nearby }, (_, index) => port + 100 + index);
  return [port, ...around.filter((other) => other <= 65_535 && !others.has(other)), ...anywhere];
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
