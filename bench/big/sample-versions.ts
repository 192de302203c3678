import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

// A repository whose recipe makes a large tree, and versions of it that differ in 4 %.

const run = promisify(execFile);

/** How a version differs from the one before: not at all (it is the first), in stretches of 1 MiB, or in 4 KB of each 100 KB. */
export type Change = 'first' | 'stretches' | 'scattered';

/**
 * 32 files. Each byte is one of 16 values by chance, so that the tree compresses to half, about as programs do, and nothing of
 * it is like anything else of it. Each change is made of bytes of its own, and stays in the versions after it.
 */
const script = (mebibytes: number) => `
import { createCipheriv } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
const changes = JSON.parse(readFileSync('changes.json', 'utf8'));
const MiB = 2 ** 20;
const pairs = Uint16Array.from({ length: 256 }, (_, byte) => (0x30 + (byte >> 4)) * 256 + 0x30 + (byte & 15));
const zeros = Buffer.alloc(MiB / 2);
const stream = (seed) => {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  return (words) => {
    const random = cipher.update(zeros.subarray(0, words.length));
    for (let index = 0; index < words.length; index += 1) words[index] = pairs[random[index]];
  };
};
const all = stream(1);
const others = changes.map((_, index) => stream(index + 2));
const words = new Uint16Array(MiB / 2);
const patch = new Uint16Array(2000);
mkdirSync('dist', { recursive: true });
const files = 32;
const perFile = Math.ceil(${mebibytes} / files);
for (let file = 0; file < files; file += 1) {
  const output = openSync('dist/part-' + file, 'w');
  for (let block = 0; block < perFile; block += 1) {
    all(words);
    for (const [index, change] of changes.entries()) {
      if (change === 'stretches' && (file * perFile + block) % 25 === 7) others[index](words);
      for (let at = 10000 + index * 2500; change === 'scattered' && at + 2000 <= words.length; at += 50000) {
        others[index](patch);
        words.set(patch, at);
      }
    }
    writeSync(output, new Uint8Array(words.buffer));
  }
  closeSync(output);
}
`;

/** Commits the next version; `changes` lists those that were made so far. */
export async function commitVersion(folder: string, mebibytes: number, changes: readonly Change[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const recipe = 'version: 1\nbuild:\n  command: node build.mjs\n  artifact: dist\n  timeout: 1h\n';
  await writeFile(join(folder, 'starling.yml'), recipe);
  await writeFile(join(folder, 'build.mjs'), script(mebibytes));
  await writeFile(join(folder, 'changes.json'), JSON.stringify(changes.filter((change) => change !== 'first')));
  const git = (...options: string[]) =>
    run('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...options], { cwd: folder });
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '--all');
  await git('commit', '--quiet', `--message=Version ${changes.length}`);
}
