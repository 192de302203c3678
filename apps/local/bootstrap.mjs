// The first thing that `npm start`, `npm test`, `npm run bench`, `npm run desktop` and `npm run build:desktop` run, under whatever Node is there
// (20 or later). It installs what the lockfile names when that is missing or has changed, then hands over to the real
// program under the Node 24 that came with it.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const programs = {
  start: 'apps/local/src/main.ts',
  test: 'test/run.ts',
  desktop: 'apps/local/src/open-desktop.ts',
  bench: 'bench/run.ts',
  'build-desktop': 'apps/local/src/build-desktop.ts',
};
const [command = '', ...rest] = process.argv.slice(2);
const program = programs[command];
if (!program) fail(`expected one of ${Object.keys(programs).join(', ')}, found "${command}"`);

install();
const node = findNode();
const path = [dirname(node), join(root, 'node_modules/.bin'), process.env.PATH].join(
  process.platform === 'win32' ? ';' : ':',
);
// A channel to the launcher, so that it also ends, in order, when this process is killed.
const stdio = command === 'start' ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit';
const child = spawn(node, [join(root, program), ...rest], { stdio, cwd: root, env: { ...process.env, PATH: path } });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (status, signal) => process.exit(signal === 'SIGINT' ? 130 : (status ?? 1)));

function install() {
  const lockfile = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules/.starling-installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lockfile) return;
  process.stderr.write('Installing what Starling needs, as package-lock.json names it (a minute or so, once) …\n');
  const npm = process.env.npm_execpath;
  const [program, ...first] = npm?.endsWith('.js')
    ? [process.execPath, npm]
    : [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
  const { status, error } = spawnSync(program, [...first, 'ci', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0)
    fail(
      `npm ci failed${error ? `: ${error.message}` : ''}; the lines above say why. Is the package registry reachable, and is there disk space?`,
    );
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, lockfile);
}

function findNode() {
  const pinned = [`node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`]
    .map((name) => join(root, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node'))
    .find((candidate) => existsSync(candidate));
  if (pinned) return pinned;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  fail(
    `Starling runs under Node 24 or later; for ${process.platform}-${process.arch} it brings none along. This is Node ${process.versions.node}: please install Node 24.`,
  );
}

function fail(message) {
  process.stderr.write(`starling: ${message}\n`);
  process.exit(1);
}
