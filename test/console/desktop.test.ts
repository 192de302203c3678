import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { _electron } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// The desktop console as it is shipped: built, started, and – where Electron's program is installed – driven.

const run = promisify(execFile);
const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const electron = await readFile(at('node_modules/electron/path.txt'), 'utf8').then(
  (name) => join(process.env.ELECTRON_OVERRIDE_DIST_PATH ?? at('node_modules/electron/dist'), name.trim()),
  () => at('node_modules/electron/dist/electron'),
);
const isInstalled = existsSync(electron);
if (!isInstalled)
  process.stderr.write("SKIPPED: the desktop console in a real Electron, as Electron's program is not installed.\n");

let userData: string;
beforeAll(async () => {
  userData = await mkdtemp(join(tmpdir(), 'starling-desktop-'));
  await run(process.execPath, [at('node_modules/electron-vite/bin/electron-vite.js'), 'build'], {
    cwd: at('apps/desktop'),
  });
});
afterAll(() => rm(userData, { recursive: true, force: true }));

describe('the built console', () => {
  it('starts with all it needs within its own files', async () => {
    const bundle = at('apps/desktop/out/main/index.js');
    const { stdout } = await run(process.execPath, [at('apps/desktop/src/testing/start-bundle.ts'), bundle, userData], {
      env: { PATH: process.env.PATH, STARLING_UPDATE_URL: 'https://127.0.0.1:9/console' },
      timeout: 60_000,
    });
    const said = JSON.parse(stdout) as { url: string; channels: string[] };
    expect(said.url).toBe('app://console/');
    expect(said.channels).toContain('update:install');
  });

  it('asks for nothing but Electron and what Node has', async () => {
    const bundle = await readFile(at('apps/desktop/out/main/index.js'), 'utf8');
    const imported = [...bundle.matchAll(/^import (?:[\w$*{},\s]+ from )?["']([^"'\n]+)["'];?$/gm)].map(
      ([, name]) => name!,
    );
    const { builtinModules } = await import('node:module');
    expect(imported).toContain('electron');
    expect(
      imported.filter((name) => name !== 'electron' && !builtinModules.includes(name.replace(/^node:/, ''))),
    ).toEqual([]);
  });
});

describe.skipIf(!isInstalled)('in a real Electron', () => {
  it('opens its window, sandboxed, on the page that lets people in', async () => {
    const app = await _electron.launch({
      executablePath: electron,
      args: [at('apps/desktop'), `--user-data-dir=${userData}`, '--no-sandbox'],
      env: { ...process.env, STARLING_SERVER: 'http://127.0.0.1:9' } as Record<string, string>,
    });
    try {
      const page = await app.firstWindow();
      expect(page.url()).toMatch(/^app:\/\/console\//);
      expect(await page.evaluate('typeof require + typeof process')).toBe('undefinedundefined');
      expect(Object.keys(await page.evaluate<Record<string, unknown>>('({ ...window.starling })'))).toEqual([
        'request',
        'onNotice',
      ]);
      await page.getByText('127.0.0.1:9').first().waitFor({ timeout: 30_000 });
    } finally {
      await app.close();
    }
  });
});
