import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { HandedPeer, RackSlice } from '@starling/shared/hub-protocol.ts';
import type { Pack } from '@starling/shared/manifest.ts';
import { openSwarm } from '@starling/swarm/open-swarm.ts';

// One member of a swarm as a process: `starling-member.ts <pack.json> <file> seed|receiver <address>`.

const [packFile = '', file = '', , host = ''] = process.argv.slice(2);
const pack = JSON.parse(readFileSync(packFile, 'utf8')) as Pack;
const swarm = await openSwarm({ host, port: 0, maxConnections: 50 });
const membership = await swarm.join(pack, file);
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
