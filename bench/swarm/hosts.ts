import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Host } from './contestant.ts';

const run = promisify(execFile);

export interface Shape {
  /** Of each host, each way. */
  mbits: number;
  /** Hosts from this index on are in a rack of their own, behind an uplink that they share. */
  rackFrom?: number;
  /** Of that uplink, each way. */
  rackMbits?: number;
  /** Hosts with another rate. */
  slow?: Record<number, number>;
}

export interface Hosts {
  hosts: Host[];
  /** The address of this process on the same network, with no limit. */
  own: string;
  /** Bytes that have come into the rack by its uplink. */
  rackBytes(): Promise<number>;
  close(): Promise<void>;
}

const prefix = 'stl';
const network = '10.213.80';

/** Why this machine cannot have shaped hosts, or undefined. */
export async function cannotShape(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    await run('ip', ['netns', 'add', `${prefix}try`]);
    await run('ip', ['netns', 'del', `${prefix}try`]);
    return undefined;
  } catch (thrown) {
    return `ip netns: ${(thrown as Error).message} (apt install iproute2; CAP_NET_ADMIN)`;
  }
}

/**
 * Hosts as network namespaces on a bridge, each behind a pair of veth whose two ends are shaped by a token bucket; with
 * a rack, on two bridges that are joined by one more pair. `close` takes it all away again.
 */
export async function shapedHosts(count: number, shape: Shape): Promise<Hosts> {
  await removeAll(count);
  const bridge = async (name: string) => {
    await run('ip', ['link', 'add', name, 'type', 'bridge']);
    await run('ip', ['link', 'set', name, 'up']);
  };
  const limit = (mbits: number) => ['root', 'tbf', 'rate', `${mbits}mbit`, 'burst', '64kb', 'latency', '100ms'];
  await bridge(`${prefix}br0`);
  await run('ip', ['addr', 'add', `${network}.254/24`, 'dev', `${prefix}br0`]);
  if (shape.rackFrom !== undefined) {
    await bridge(`${prefix}br1`);
    await run('ip', ['link', 'add', `${prefix}up0`, 'type', 'veth', 'peer', 'name', `${prefix}up1`]);
    for (const end of [0, 1]) {
      await run('ip', ['link', 'set', `${prefix}up${end}`, 'master', `${prefix}br${end}`, 'up']);
      await run('tc', ['qdisc', 'add', 'dev', `${prefix}up${end}`, ...limit(shape.rackMbits ?? shape.mbits)]);
    }
  }
  const hosts: Host[] = [];
  for (let index = 0; index < count; index += 1) {
    const [name, veth] = [`${prefix}${index}`, `${prefix}v${index}`];
    const isInRack = shape.rackFrom !== undefined && index >= shape.rackFrom;
    const rate = limit(shape.slow?.[index] ?? shape.mbits);
    const inside = ['netns', 'exec', name];
    await run('ip', ['netns', 'add', name]);
    await run('ip', ['link', 'add', veth, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name]);
    await run('ip', ['link', 'set', veth, 'master', `${prefix}br${isInRack ? 1 : 0}`, 'up']);
    await run('tc', ['qdisc', 'add', 'dev', veth, ...rate]);
    await run('ip', [...inside, 'ip', 'addr', 'add', `${network}.${index + 1}/24`, 'dev', 'eth0']);
    for (const device of ['lo', 'eth0']) await run('ip', [...inside, 'ip', 'link', 'set', device, 'up']);
    await run('ip', [...inside, 'tc', 'qdisc', 'add', 'dev', 'eth0', ...rate]);
    hosts.push({
      address: `${network}.${index + 1}`,
      within: ['ip', ...inside],
      rack: shape.rackFrom === undefined ? '' : isInRack ? 'behind' : 'before',
    });
  }
  return {
    hosts,
    own: `${network}.254`,
    rackBytes: async () => Number(await readFile(`/sys/class/net/${prefix}up0/statistics/tx_bytes`, 'utf8')),
    close: () => removeAll(count),
  };
}

async function removeAll(count: number): Promise<void> {
  const ignore = () => undefined;
  for (let index = 0; index < count; index += 1) {
    await run('ip', ['link', 'del', `${prefix}v${index}`]).catch(ignore);
    await run('ip', ['netns', 'del', `${prefix}${index}`]).catch(ignore);
  }
  for (const name of ['up0', 'br0', 'br1']) await run('ip', ['link', 'del', `${prefix}${name}`]).catch(ignore);
}
