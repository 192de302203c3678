import { registerHooks } from 'node:module';
import { electronStandIn } from './electron-stand-in.ts';

// Run by a test in a process of its own: the built main process over the stand-in of Electron, to see that what is shipped
// starts. Arguments: the bundle and a folder for its data. Says in a line of JSON what it opened.

const [bundle = '', userData = ''] = process.argv.slice(2);
const { module, seen } = electronStandIn({ userData, isPackaged: true });
Object.assign(globalThis, { electronStandIn: module });
const names = Object.keys(module);
const source = `const it = globalThis.electronStandIn;\n${names.map((name) => `export const ${name} = it.${name};`).join('\n')}\nexport default it;`;
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'electron'
      ? { url: 'stand-in:electron', shortCircuit: true, format: 'module' }
      : next(specifier, context),
  load: (url, context, next) =>
    url === 'stand-in:electron' ? { source, format: 'module', shortCircuit: true } : next(url, context),
});
await import(bundle);
const until = Date.now() + 10_000;
while (!seen.windows[0]?.url && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
process.stdout.write(
  `${JSON.stringify({ url: seen.windows[0]?.url ?? null, channels: [...seen.handlers.keys()].toSorted() })}\n`,
);
process.exit(0);
