import { execFile, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The recipe that all commits have: next to nothing, and a line in a file outside for each time that it runs. */
const recipe = (witness: string) => `version: 1
build:
  command: echo "$STARLING_COMMIT" >> '${witness}' && cp number artifact
  artifact: artifact
`;

/** Makes a repository with this many commits, one after another; their SHAs in that order. `git fast-import` makes thousands a second. */
export async function makeCommits(folder: string, count: number, witness: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const git = async (...commandLine: string[]) =>
    (await run('git', commandLine, { cwd: folder, maxBuffer: 64 * 1024 * 1024 })).stdout.trim();
  await git('init', '--quiet', '--initial-branch=main');
  const importing = spawn('git', ['fast-import', '--quiet'], { cwd: folder, stdio: ['pipe', 'ignore', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => importing.once('close', resolve));
  const complaints = text(importing.stderr);
  const blob = (content: string) => `data ${Buffer.byteLength(content)}\n${content}\n`;
  for (let number = 1; number <= count; number += 1) {
    const files = [`M 100644 inline number\n${blob(`build ${number}\n`)}`];
    if (number === 1) files.push(`M 100644 inline starling.yml\n${blob(recipe(witness))}`);
    importing.stdin.write(
      `commit refs/heads/main\ncommitter Ada <ada@example.com> ${1_700_000_000 + number} +0000\n${blob(`Change ${number}`)}${files.join('')}\n`,
    );
  }
  importing.stdin.end('done\n');
  if ((await ended) !== 0) throw new Error(`git fast-import: ${await complaints}`);
  return (await git('rev-list', '--reverse', 'main')).split('\n');
}
