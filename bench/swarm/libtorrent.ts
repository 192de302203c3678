import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Contestant } from './contestant.ts';
import { startLineMembers } from './starling.ts';

const program = fileURLToPath(new URL('./libtorrent-member.py', import.meta.url));
/** Debian's own, which is the one that `python3-libtorrent` is for. */
const python = '/usr/bin/python3';

export const libtorrent: Contestant = {
  name: 'libtorrent',
  version: () =>
    promisify(execFile)(python, ['-c', 'import libtorrent; print(libtorrent.version)']).then(
      ({ stdout }) => ({ version: stdout.trim() }),
      () => ({ missing: 'apt install python3-libtorrent' }),
    ),
  start: (race) => startLineMembers(race, python, [program]),
};
