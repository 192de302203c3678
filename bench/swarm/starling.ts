import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { handOut } from '../../apps/server/src/hub/handout.ts';
import { type Contestant, hostOf, LineProcess, type Race, type Racers } from './contestant.ts';

const program = fileURLToPath(new URL('./starling-member.ts', import.meta.url));

/** Starling's own swarm, each member a process, introduced to each other as the hub does. */
export const starling: Contestant = {
  name: 'starling',
  version: async () => ({ version: `this tree, Node ${process.version}` }),
  start: (race) => startLineMembers(race, [process.execPath, program], (addresses) => introduce(race, addresses)),
};

/** The same with its lanes encrypted, as agents and hubs do it. */
export const starlingEncrypted: Contestant = {
  name: 'starling, encrypted',
  version: starling.version,
  start: (race) =>
    startLineMembers(race, [process.execPath, program, '--encrypted'], (addresses) => introduce(race, addresses)),
};

/** What each is told, the seed first (it calls nobody): what the hub's policy says of members in these racks. */
function introduce(race: Race, addresses: readonly string[]): string[][] {
  const peerAt = (address: string) => {
    const at = address.lastIndexOf(':');
    return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
  };
  const [seed = '', ...receivers] = addresses;
  const members = receivers.map((address, index) => ({
    machine: `receiver-${index}`,
    address: peerAt(address),
    rack: hostOf(race, index + 1).rack || undefined,
    share: 0,
    isFetching: true,
  }));
  const lists = handOut(members, peerAt(seed));
  return [[], ...members.map(({ machine }) => [JSON.stringify(lists.get(machine))])];
}

/**
 * Members that are told of each other by the line `go host:port …`; the first is the seed. `introduce` says which
 * addresses each is told.
 */
export async function startLineMembers(
  race: Race,
  commandLine: readonly string[],
  introduce: (addresses: readonly string[]) => string[][],
): Promise<Racers> {
  const packFile = join(race.folder, 'pack.json');
  await writeFile(packFile, JSON.stringify(race.pack));
  const files = [race.seedFile, ...race.targets];
  const members = files.map((file, index) => {
    const host = hostOf(race, index);
    return new LineProcess(host, [...commandLine, packFile, file, index === 0 ? 'seed' : 'receiver', host.address]);
  });
  const addresses = await Promise.all(members.map((member) => member.expect('ready')));
  return {
    pids: () => members.map(({ pid }) => pid),
    go: () => {
      for (const [index, peers] of introduce(addresses).entries()) members[index]?.say(['go', ...peers].join(' '));
      return members.slice(1).map((member) => member.expect('complete'));
    },
    kill: (receiver) => members[receiver + 1]?.kill(),
    seedSentBytes: async () => {
      members[0]?.say('sent');
      return Number(await members[0]?.expect('sent'));
    },
    stop: async () => void (await Promise.all(members.map((member) => member.stop()))),
  };
}
