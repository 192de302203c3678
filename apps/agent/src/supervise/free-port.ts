import { createServer } from 'node:net';
import { StarlingError } from '@starling/shared/errors.ts';

// Below the range that systems give to outgoing connections (32768 and up), so that none of those takes the port
// between our look and the program's bind.
const lowest = 20_000;
const highest = 32_000;

/** A TCP port that can be bound now: `preferred` if it is free, else a random one. UNAVAILABLE when none was found. */
export async function chooseFreePort(preferred: number | undefined): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred;
  for (let tries = 0; tries < 100; tries += 1) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (await isFree(port)) return port;
  }
  throw new StarlingError('UNAVAILABLE', `no free port was found between ${lowest} and ${highest}`);
}

async function isFree(port: number): Promise<boolean> {
  return (await canBind(port, '127.0.0.1')) && (await canBind(port, undefined));
}

function canBind(port: number, host: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
