import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The console for a browser: the same pages, served by control under a strict Content Security Policy. */
export default defineConfig({
  root: folder('src/renderer'),
  base: '/',
  plugins: [react(), tailwindcss()],
  build: {
    outDir: folder('out/web'),
    emptyOutDir: true,
    target: 'es2022',
    // The policy allows scripts and styles of our own origin only: nothing may be inlined as a data: URL but images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1_200,
  },
});
