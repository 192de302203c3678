import { readFileSync } from 'node:fs';
import { startAgent } from '@starling/agent/agent.ts';
import type { AgentConfig } from '@starling/agent/config.ts';
import { TrustedKeys } from '@starling/shared/signing.ts';
import { openSwarm } from '@starling/swarm/open-swarm.ts';
import { pino } from 'pino';

// An agent in a process of its own that may be told how much it takes straight from the hub.

export interface AgentOrder {
  config: Omit<AgentConfig, 'manifestKeys' | 'versionKeys'>;
  manifestPublicPem: string;
  versionPublicPem: string;
  smallFetchBytes: number;
}

const order = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as AgentOrder;
await startAgent({
  config: {
    ...order.config,
    manifestKeys: new TrustedKeys('manifest', [order.manifestPublicPem]),
    versionKeys: new TrustedKeys('version-key', [order.versionPublicPem]),
  },
  openSwarm,
  smallFetchBytes: order.smallFetchBytes,
  log: pino({ level: 'silent' }),
});
process.send?.('ready');
