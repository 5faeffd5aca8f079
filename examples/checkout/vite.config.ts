import { defineConfig } from 'vite';

export default defineConfig({
  // The server can serve the page under any path.
  base: './',
  // The development server proxies API requests, so CORS isn't needed.
  server: { proxy: { '/v1': process.env.QUITTANCE_URL ?? 'http://127.0.0.1:8080' } },
  build: {
    outDir: '../../crates/demo/dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    rolldownOptions: {
      input: ['index.html', 'return.html', 'sellers.html'],
      output: {
        // crates/demo lists these names, so they must not contain hashes.
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
        codeSplitting: { groups: [{ name: 'shared', test: /src\/(api|countries|dom|storage|money|style)/ }] },
      },
    },
  },
});
