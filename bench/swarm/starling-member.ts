import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { HandedPeer, RackSlice } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { LaneKeys } from '@starling/swarm/lane-keys.ts';
import { openSwarm } from '@starling/swarm/open-swarm.ts';
import type { Membership } from '@starling/swarm/swarm.ts';

// One member of swarms as a process: `starling-member.ts [--encrypted] <address>`. What it is told: see `line-members.ts`.

const isEncrypted = process.argv[2] === '--encrypted';
const [host = ''] = process.argv.slice(isEncrypted ? 3 : 2);
const keys = new LaneKeys();
// Everybody here has the same, as machines of a region have; what it is costs nothing.
keys.set('bench', [Buffer.alloc(32, 1).toString('base64')]);
const encryption = { mode: isEncrypted ? ('required' as const) : ('off' as const), keys };
const swarm = await openSwarm({ host, port: 0, maxConnections: 50, encryption });
const say = (line: string) => process.stdout.write(`${line}\n`);
say(`ready ${swarm.address.host}:${swarm.address.port}`);
let membership: Membership | undefined;
for await (const line of createInterface(process.stdin)) {
  const [word, ...rest] = line.split(' ');
  if (word === 'join') {
    const [packFile = '', file = ''] = rest;
    membership = await swarm.join(JSON.parse(readFileSync(packFile, 'utf8')) as Pack, file, { project: 'bench' });
    say('joined');
  }
  if (word === 'go') {
    membership?.whenComplete(new AbortController().signal).then(
      () => say('complete'),
      (error: Error) => say(`failed ${error.message}`),
    );
    const said = rest.join(' ');
    if (said === '') continue;
    const { peers, slice } = JSON.parse(said) as { peers: HandedPeer[]; slice?: RackSlice };
    membership?.setPeers(peers, slice);
  }
  if (word === 'leave') {
    await membership?.leave();
    say('left');
  }
  if (word === 'sent') say(`sent ${membership?.progress().bytesSent}`);
}
