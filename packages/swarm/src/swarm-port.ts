import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { StarlingError } from '@starling/shared/errors.ts';

/** 0 takes any free port. */
export interface PortOptions {
  host: string;
  port: number;
}

/** Rejects with the system's error. */
export async function listenForLanes({ host, port }: PortOptions): Promise<Server> {
  const server = createServer().listen({ host, port });
  // Rejects with what an `error` says.
  await once(server, 'listening');
  return server;
}

export function cannotListen({ host, port }: PortOptions, error: NodeJS.ErrnoException): StarlingError {
  return new StarlingError('UNAVAILABLE', `the swarm cannot listen on ${host}:${port}: ${error.message}`, {
    field: 'swarm',
    fix: error.code === 'EADDRINUSE' ? 'Choose another port, or 0 for any free one.' : 'Name an address of this host.',
    cause: error,
  });
}
