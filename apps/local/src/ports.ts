import { createServer } from 'node:net';
import { StarlingError } from '@starling/shared/errors.ts';

export interface PortChoice {
  /** Who listens there, for messages. */
  name: string;
  port: number;
  /** The one that was wanted, when it was taken by something else. */
  movedFrom: number | undefined;
}

/** How far from the wanted port another is looked for before any will do. */
const nearby = 20;

/** The wanted ports where they are free, else others near by, no two the same. */
export async function choosePorts(
  wanted: readonly { name: string; port: number }[],
  host: string,
): Promise<PortChoice[]> {
  const choices: PortChoice[] = [];
  for (const { name, port } of wanted) {
    const chosen = new Set(choices.map((choice) => choice.port));
    const others = wanted.map((other) => other.port).filter((other) => other !== port);
    const candidates = [
      port,
      ...Array.from({ length: nearby }, (_, index) => port + 100 + index).filter((other) => !others.includes(other)),
      0,
    ];
    let found: number | undefined;
    for (const candidate of candidates) {
      if (candidate !== 0 && chosen.has(candidate)) continue;
      found = await freePort(host, candidate);
      if (found !== undefined) break;
    }
    if (found === undefined) throw new StarlingError('UNAVAILABLE', `no free port on ${host} for ${name}`);
    choices.push({ name, port: found, movedFrom: port !== 0 && found !== port ? port : undefined });
  }
  return choices;
}

/** The port if it is free (any free one for 0), else undefined. */
function freePort(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(address && typeof address === 'object' ? address.port : undefined));
    });
  });
}
