import { readFileSync } from 'node:fs';
import { TrustedKeys } from '@starling/shared/signing.ts';
import { pino } from 'pino';
import { startAgent } from '../agent.ts';
import type { AgentConfig } from '../config.ts';
import { FakeSwarm } from './fake-swarm.ts';

// An agent in a process of its own that ends itself as `kill -9` does, just before or after its journal says that it
// entered a state.

export interface AgentProcessOrder {
  config: Omit<AgentConfig, 'manifestKeys' | 'versionKeys'>;
  manifestPublicPem: string;
  versionPublicPem: string;
  packs: string;
  killAt: { moment: 'before' | 'after'; state: string };
}

const order = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as AgentProcessOrder;
await startAgent({
  config: {
    ...order.config,
    manifestKeys: new TrustedKeys('manifest', [order.manifestPublicPem]),
    versionKeys: new TrustedKeys('version-key', [order.versionPublicPem]),
  },
  openSwarm: async () => new FakeSwarm(order.packs),
  smallFetchBytes: 0,
  log: pino({ level: 'silent' }),
  watchJournal: (_project, moment, state) => {
    if (moment === order.killAt.moment && state === order.killAt.state) process.kill(process.pid, 'SIGKILL');
  },
});
