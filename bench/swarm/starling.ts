import { fileURLToPath } from 'node:url';
import { handOut } from '../../apps/server/src/hub/handout.ts';
import { type Contestant, hostOf, type Race } from './contestant.ts';
import { startLineMembers } from './line-members.ts';

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
