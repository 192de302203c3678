import { readFileSync } from 'node:fs';
import { openFolderStore } from '@starling/server/blobs/folder-store.ts';
import { startHub } from '@starling/server/hub/hub.ts';
import { systemClock } from '@starling/shared/clock.ts';
import { Signer } from '@starling/shared/signing.ts';
import { pino } from 'pino';

// A hub in a process of its own, between a folder of blobs, a file with the version keys, and a control that lets in everybody.

export interface HubOrder {
  dataDir: string;
  port: number;
  blobs: string;
  keysFile: string;
  trusted: { manifests: string[]; versionKeys: string[]; agentCredentials: string[] };
  credentialKey: string;
}

const order = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as HubOrder;
const keys = () => JSON.parse(readFileSync(order.keysFile, 'utf8'));
const signer = new Signer('agent-credential', order.credentialKey);
await startHub({
  name: 'hub-eu-1',
  region: 'eu',
  dataDir: order.dataDir,
  listen: { host: '127.0.0.1', port: order.port },
  swarm: { host: '127.0.0.1', port: 0, encryption: 'required' },
  trusted: order.trusted,
  keys: {
    list: async () => keys(),
    watch: async (onKey, signal) => {
      while (!signal.aborted) {
        for (const key of keys()) onKey(key);
        await systemClock.sleep(100, signal);
      }
    },
  },
  blobs: openFolderStore(order.blobs),
  control: {
    report: async () => {},
    enrolAgent: async ({ name, publicKey }) =>
      signer.sign({ format: 1 as const, machine: name, region: 'eu', publicKey, issuedAt: 1 }),
    revokedAgents: async () => ({ revoked: [], isComplete: true }),
  },
  clock: systemClock,
  log: pino({ level: 'silent' }),
});
process.send?.('ready');
