import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { desktopEnvironment } from './config.ts';

// `npm run build:desktop`: the console as packages for people to install, in apps/desktop/dist. What follows `--` goes to
// electron-builder (`-- --linux AppImage`, say); without it, the packages of the system that it runs on. electron-builder
// fetches Electron's program when it has none.

const at = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

async function run(program: string, args: readonly string[], cwd: string): Promise<void> {
  const child = spawn(process.execPath, [at(program), ...args], { cwd, stdio: 'inherit', env: desktopEnvironment() });
  const [code] = await once(child, 'exit');
  if (code !== 0) process.exit(code ?? 1);
}

await run('node_modules/electron-vite/bin/electron-vite.js', ['build'], at('apps/desktop'));
await run(
  'node_modules/electron-builder/cli.js',
  ['--config', 'electron-builder.yml', '--publish', 'never', ...process.argv.slice(2)],
  at('.'),
);
