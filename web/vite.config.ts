import path from 'node:path'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const api = process.env.TRIBUTARY_URL ?? 'http://127.0.0.1:4000'

export default defineConfig({
  root: import.meta.dirname,
  base: '/review/',
  cacheDir: path.resolve(import.meta.dirname, '../node_modules/.cache/vite'),
  plugins: [react()],
  // With `npm run dev:web` the API is another process.
  server: {
    port: 4001,
    proxy: Object.fromEntries(['/graphql', '/session', '/media', '/upload'].map((route) => [route, api])),
  },
  build: {
    outDir: 'dist/site',
    emptyOutDir: true,
    // light-dark() as it is, and no inlined pictures: the content security policy allows none.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      checks: { pluginTimings: false },
      output: {
        // Few files compress better than many: what the first question needs, and what the other screens need.
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            {
              name: 'others',
              test: /screens\/(?!queue)|parts\/(plot|bars|job)|node_modules\/(d3-|client-zip)/,
              priority: 2,
            },
            { name: 'first', test: /./, priority: 1 },
          ],
        },
      },
    },
  },
})
