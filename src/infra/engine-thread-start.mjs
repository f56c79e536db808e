// A worker thread does not inherit the TypeScript loader in every Node that is supported, so it registers its own.
import { register } from 'tsx/esm/api'

register()
await import('./engine-thread.ts')
