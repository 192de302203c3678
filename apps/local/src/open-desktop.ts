import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type LocalAccess, localAccessFile } from '@starling/shared/data-folder.ts';
import { messageOf } from '@starling/shared/errors.ts';
import { desktopEnvironment, readLocalConfig } from './config.ts';

// `npm run desktop`: the console in its Electron window. Electron's package fetches its program when first asked for; where
// that cannot be had, the same pages are in the browser.

const run = promisify(execFile);
const desktop = fileURLToPath(new URL('../../desktop/', import.meta.url));
const downloadDeadlineMs = 180_000;

const { data } = readLocalConfig([]);
const environment = desktopEnvironment();
const access = await readFile(join(data, localAccessFile), 'utf8').then(
  (text) => JSON.parse(text) as LocalAccess,
  () => undefined,
);

const electron = await findElectron().catch((thrown: unknown) => {
  process.stderr.write(`The Electron window cannot be opened: ${reasonIn(messageOf(thrown))}\n`);
  process.stderr.write(
    'Set ELECTRON_MIRROR to a place that has the binary, or ELECTRON_OVERRIDE_DIST_PATH to a folder with it.\n',
  );
  return undefined;
});
if (!electron) {
  const address = access ? `${access.server}/#sign-in=${access.token}` : 'what npm start prints';
  process.stdout.write(`The same console is in your browser: ${address}\n`);
  process.exit(1);
}

process.stdout.write('Building the console …\n');
await run(
  process.execPath,
  [fileURLToPath(new URL('../../../node_modules/electron-vite/bin/electron-vite.js', import.meta.url)), 'build'],
  { cwd: desktop, env: environment },
);
const signedIn = access
  ? { STARLING_SERVER: access.server, STARLING_TOKEN_FILE: join(data, 'secrets/admin.token') }
  : {};
const window_ = spawn(electron, [desktop], { stdio: 'inherit', env: { ...environment, ...signedIn } });
window_.on('exit', (code) => process.exit(code ?? 1));

/** The path of Electron's program, downloaded on first use. Throws when it is not to be had. */
async function findElectron(): Promise<string> {
  const resolve = createRequire(import.meta.url).resolve('electron');
  // In a process of its own: the package downloads synchronously and writes to our output.
  const { stdout } = await run(
    process.execPath,
    ['--eval', `console.log('path:' + require(${JSON.stringify(resolve)}))`],
    {
      env: environment,
      timeout: downloadDeadlineMs,
    },
  );
  const path = /^path:(.+)$/m.exec(stdout)?.[1];
  if (!path) throw new Error('its program is not there');
  return path;
}

/** The line that says why, of what the failed download left. */
function reasonIn(message: string): string {
  return (
    message
      .split('\n')
      .find((line) => /^\s*(\w*Error|cause)\b.*: ./.test(line))
      ?.trim() ?? 'its program could not be downloaded'
  );
}
