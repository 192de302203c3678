import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Contestant, LineProcess, type Race } from './contestant.ts';

const program = fileURLToPath(new URL('./starling-member.ts', import.meta.url));

/** Starling's own swarm, each member a process, introduced to each other as the hub would. */
export const starling: Contestant = {
  name: 'starling',
  version: async () => ({ version: `this tree, Node ${process.version}` }),
  start: (race) => startLineMembers(race, process.execPath, [program]),
};

/** Members that are told of each other by the line `go host:port …`; the first is the seed. */
export async function startLineMembers(race: Race, command: string, args: readonly string[]) {
  const packFile = join(race.folder, 'pack.json');
  await writeFile(packFile, JSON.stringify(race.pack));
  const files = [race.seedFile, ...race.targets];
  const members = files.map(
    (file) => new LineProcess(command, [...args, packFile, file, file === race.seedFile ? 'seed' : 'receiver']),
  );
  const addresses = await Promise.all(members.map((member) => member.expect('ready')));
  return {
    pids: () => members.map(({ pid }) => pid),
    go: async () => {
      for (const [index, member] of members.entries()) {
        const others = addresses.filter((_, other) => other !== index);
        member.say(['go', ...others].join(' '));
      }
      await Promise.all(members.slice(1).map((member) => member.expect('complete')));
    },
    seedSentBytes: async () => {
      members[0]?.say('sent');
      return Number(await members[0]?.expect('sent'));
    },
    stop: async () => void (await Promise.all(members.map((member) => member.stop()))),
  };
}
