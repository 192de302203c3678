import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Contestant } from './contestant.ts';
import { startLineMembers } from './line-members.ts';

const program = fileURLToPath(new URL('./libtorrent-member.py', import.meta.url));
/** Debian's own, which is the one that `python3-libtorrent` is for. */
const python = '/usr/bin/python3';

/** Each calls those before it: two that call each other at once both hang up, and try again only later. */
const introduce = (addresses: readonly string[]) => addresses.map((_, index) => addresses.slice(0, index));

const tuned = (name: string, ...mode: string[]): Contestant => ({
  name,
  version: () =>
    promisify(execFile)(python, ['-c', 'import libtorrent; print(libtorrent.version)']).then(
      ({ stdout }) => ({ version: stdout.trim() }),
      () => ({ missing: 'apt install python3-libtorrent' }),
    ),
  start: (race) => startLineMembers(race, [python, program, ...mode], introduce),
});

export const libtorrent = tuned('libtorrent', 'tuned');
export const libtorrentSuperSeeding = tuned('libtorrent-super-seeding', 'super-seeding');
