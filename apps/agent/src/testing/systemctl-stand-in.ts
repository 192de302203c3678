import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Stands in for `systemctl` where there is no systemd: as much of it as the agent uses, and stricter. It knows a unit only as it
// was at the last daemon-reload, refuses every directive that it does not know, and gives a program only the environment
// that its unit names. Called with the units' folder, a folder of its own, and then the words for systemctl.

const [units = '', own = '', verb = '', unit = '', ...rest] = process.argv.slice(2);
const file = (name: string) => join(own, `${unit}.${name}`);
const read = (name: string) => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : '');
mkdirSync(own, { recursive: true });

function fail(why: string, code = 1): never {
  process.stderr.write(`${why}\n`);
  process.exit(code);
}

const known = new Set(
  'Description Type Restart KillMode TimeoutStopSec WorkingDirectory Environment ExecStart StandardInput StandardOutput StandardError User MemoryMax LimitNOFILE TasksMax'.split(
    ' ',
  ),
);

function directives(): Map<string, string[]> {
  const text = read('loaded');
  if (text === '') fail(`Unit ${unit} not found.`, 5);
  const found = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('[')) continue;
    const [name = ''] = line.split('=', 1);
    if (!known.has(name)) fail(`unknown directive ${name}`);
    found.set(name, [...(found.get(name) ?? []), line.slice(name.length + 1)]);
  }
  return found;
}

/** What systemd makes of one word in double quotes. */
function unquote(text: string): string {
  if (!/^"(?:[^"\\]|\\.)*"$/.test(text)) fail(`not one quoted word: ${text}`);
  if (/%(?!%)/.test(text.replaceAll('%%', ''))) fail(`a specifier in ${text}`);
  const letters: Record<string, string> = { n: '\n', r: '\r', t: '\t' };
  return text
    .slice(1, -1)
    .replaceAll('%%', '%')
    .replace(/\\(.)/g, (_, letter: string) => letters[letter] ?? letter);
}

const pidOf = () => Number(read('pid') || '0');
const isAlive = (pid: number) => {
  try {
    return pid > 1 && !/^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};
const pause = () => new Promise((resolve) => setTimeout(resolve, 10));

switch (verb) {
  case 'daemon-reload': {
    const { readdirSync, rmSync } = await import('node:fs');
    for (const name of readdirSync(own)) if (name.endsWith('.loaded')) rmSync(join(own, name));
    for (const name of existsSync(units) ? readdirSync(units) : []) {
      if (name.endsWith('.service')) writeFileSync(join(own, `${name}.loaded`), readFileSync(join(units, name)));
    }
    break;
  }
  case 'start': {
    directives();
    if (isAlive(pidOf())) break;
    for (const name of ['pid', 'status']) writeFileSync(file(name), '');
    spawn(process.execPath, [import.meta.filename, units, own, 'keep', unit], {
      detached: true,
      stdio: 'ignore',
    }).unref();
    while (read('pid') === '' && read('status') === '') await pause();
    if (read('pid') === '') fail(`Job for ${unit} failed: ${read('status')}`);
    break;
  }
  case 'keep': {
    const all = directives();
    const exec =
      /^\/bin\/sh -c (".*")$/s.exec(all.get('ExecStart')?.[0] ?? '') ?? fail('ExecStart is not /bin/sh -c "..."');
    const command = unquote(exec[1] as string);
    if (/\$(?!\$)/.test(command.replaceAll('$$', ''))) fail('a variable in ExecStart');
    const environment = Object.fromEntries(
      (all.get('Environment') ?? []).map((text) => {
        const pair = unquote(text);
        return [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      }),
    );
    const log = /^append:(\/.*)$/.exec(all.get('StandardOutput')?.[0] ?? '') ?? fail('StandardOutput does not append');
    const out = openSync((log[1] as string).replaceAll('%%', '%'), 'a');
    const child = spawn('/bin/sh', ['-c', command.replaceAll('$$', '$')], {
      cwd: (all.get('WorkingDirectory')?.[0] ?? fail('no WorkingDirectory')).replaceAll('%%', '%'),
      env: environment,
      detached: true,
      stdio: ['ignore', out, out],
    });
    child.once('error', (error) => writeFileSync(file('status'), String(error)));
    child.once('exit', (code, signal) => writeFileSync(file('status'), signal ? `2 ${signal}` : `1 ${code}`));
    if (child.pid !== undefined) writeFileSync(file('pid'), String(child.pid));
    break;
  }
  case 'stop': {
    const grace = Number(
      /^(\d+)ms$/.exec(directives().get('TimeoutStopSec')?.[0] ?? '')?.[1] ?? fail('TimeoutStopSec'),
    );
    const pid = pidOf();
    const until = Date.now() + grace;
    if (isAlive(pid)) process.kill(pid, 'SIGTERM');
    while (isAlive(pid) && Date.now() < until) await pause();
    try {
      if (pid > 1) process.kill(-pid, 'SIGKILL');
    } catch {
      // Nothing of it is left.
    }
    while (isAlive(pid)) await pause();
    break;
  }
  case 'show': {
    if (rest[0] !== '--property=MainPID,ExecMainCode,ExecMainStatus,Result') fail(`what is ${rest.join(' ')}?`);
    const [code = '0', status = '0'] = read('status').split(' ');
    const pid = isAlive(pidOf()) ? pidOf() : 0;
    process.stdout.write(`MainPID=${pid}\nExecMainCode=${code}\nExecMainStatus=${status}\nResult=success\n`);
    break;
  }
  default:
    fail(`unknown verb ${verb}`);
}
