import { defineConfig } from 'vite';

export default defineConfig({
  // The page may be served under any path.
  base: './',
  // While developing, the API is asked through this server: no CORS to set up.
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
        // Fixed names: crates/demo lists them.
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
        codeSplitting: { groups: [{ name: 'shared', test: /src\/(api|countries|dom|memory|money|style)/ }] },
      },
    },
  },
});
