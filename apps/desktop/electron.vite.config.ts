import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'electron-vite';
import type { Plugin } from 'vite';

const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Pages have addresses of their own (`app://console/builds/…`), so what they load is named from the root. */
const fromRoot: Plugin = {
  name: 'from-root',
  enforce: 'post',
  config: () => ({ base: '/' }),
};

export default defineConfig({
  main: {
    build: {
      // Everything but Electron and Node goes into one file, so that the packed application needs no node_modules.
      externalizeDeps: false,
      outDir: folder('out/main'),
      lib: { entry: folder('src/main/index.ts'), formats: ['es'], fileName: () => 'index.js' },
    },
  },
  preload: {
    build: {
      externalizeDeps: false,
      outDir: folder('out/preload'),
      // A sandboxed preload script is CommonJS.
      lib: { entry: folder('src/preload/index.ts'), formats: ['cjs'], fileName: () => 'index.cjs' },
    },
  },
  renderer: {
    root: folder('src/renderer'),
    plugins: [react(), tailwindcss(), fromRoot],
    build: {
      outDir: folder('out/renderer'),
      rollupOptions: { input: folder('src/renderer/index.html') },
    },
  },
});
