// As in engine-thread-start.mjs: a worker thread registers its own TypeScript loader.
import { register } from 'tsx/esm/api'

register()
await import('./embedder-thread.ts')
