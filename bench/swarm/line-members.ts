import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Pack } from '@starling/shared/manifest.ts';
import { hostOf, LineProcess, type Race, type Racers } from './contestant.ts';
import { fill, writePack } from './race-files.ts';

// Members that are processes and are told by line what to do; they answer by line:
//
//   (once it listens)                      ready <address>
//   join <pack.json> <file> seed|receiver  joined
//   go <whom to meet>                      complete, when it has all, verified and written
//   sent                                   sent <payload that it has sent of this pack, in bytes>
//   leave                                  left

const warmUpBytes = 24 * 1024 * 1024;

/**
 * Starts a process for the seed and each receiver. Before the race they move a small pack of their own among them: a machine
 * of a fleet is at it for weeks, so what a process does once, as compiling what it runs, is not a part of a transfer.
 * `introduce` says what each is told after `go`, by everybody's address; the first is the seed.
 */
export async function startLineMembers(
  race: Race,
  commandLine: readonly string[],
  introduce: (addresses: readonly string[]) => string[][],
): Promise<Racers> {
  const files = [race.seedFile, ...race.targets];
  const members = files.map((_, index) => {
    const host = hostOf(race, index);
    return new LineProcess(host, [...commandLine, host.address]);
  });
  const addresses = await Promise.all(members.map((member) => member.expect('ready')));
  const everybody = async (line: (index: number) => string, answer: string) => {
    for (const [index, member] of members.entries()) member.say(line(index));
    await Promise.all(members.map((member) => member.expect(answer)));
  };
  const meet = async (pack: Pack, theirs: readonly string[]) => {
    const packFile = `${theirs[0]}.json`;
    await writeFile(packFile, JSON.stringify(pack));
    await everybody((index) => `join ${packFile} ${theirs[index]} ${index === 0 ? 'seed' : 'receiver'}`, 'joined');
  };
  const go = () => {
    for (const [index, peers] of introduce(addresses).entries()) members[index]?.say(['go', ...peers].join(' '));
    return members.slice(1).map((member) => member.expect('complete'));
  };
  const warmUp = files.map((_, index) => join(race.folder, 'warm-up', `${index}`, 'pack'));
  for (const file of warmUp) await mkdir(dirname(file), { recursive: true });
  for (const file of warmUp.slice(1)) await fill(file, warmUpBytes);
  await meet(await writePack(warmUp[0] ?? '', warmUpBytes), warmUp);
  await Promise.all(go());
  await everybody(() => 'leave', 'left');
  await rm(join(race.folder, 'warm-up'), { recursive: true });
  await meet(race.pack, files);
  return {
    pids: () => members.map(({ pid }) => pid),
    go,
    kill: (receiver) => members[receiver + 1]?.kill(),
    seedSentBytes: async () => {
      members[0]?.say('sent');
      return Number(await members[0]?.expect('sent'));
    },
    stop: async () => void (await Promise.all(members.map((member) => member.stop()))),
  };
}
