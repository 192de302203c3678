import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { HandedPeer, RackSlice } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { LaneKeys } from '@starling/swarm/lane-keys.ts';
import { openSwarm } from '@starling/swarm/open-swarm.ts';

// One member of a swarm as a process: `starling-member.ts [--encrypted] <pack.json> <file> seed|receiver <address>`.

const isEncrypted = process.argv[2] === '--encrypted';
const [packFile = '', file = '', , host = ''] = process.argv.slice(isEncrypted ? 3 : 2);
const pack = JSON.parse(readFileSync(packFile, 'utf8')) as Pack;
const keys = new LaneKeys();
// Everybody here has the same, as machines of a region have; what it is costs nothing.
keys.set('bench', [Buffer.alloc(32, 1).toString('base64')]);
const encryption = { mode: isEncrypted ? ('required' as const) : ('off' as const), keys };
const swarm = await openSwarm({ host, port: 0, maxConnections: 50, encryption });
const membership = await swarm.join(pack, file, { project: 'bench' });
const say = (line: string) => process.stdout.write(`${line}\n`);
say(`ready ${swarm.address.host}:${swarm.address.port}`);
for await (const line of createInterface(process.stdin)) {
  const [word, ...rest] = line.split(' ');
  if (word === 'go') {
    membership.whenComplete(new AbortController().signal).then(
      () => say('complete'),
      (error: Error) => say(`failed ${error.message}`),
    );
    const said = rest.join(' ');
    if (said === '') continue;
    const { peers, slice } = JSON.parse(said) as { peers: HandedPeer[]; slice?: RackSlice };
    membership.setPeers(peers, slice);
  }
  if (word === 'sent') say(`sent ${membership.progress().bytesSent}`);
}
