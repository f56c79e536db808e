import type { Viewer } from '../services/access.ts'
import type { App } from '../services/app.ts'
import { createLoaders, type Loaders } from './loaders.ts'

/** What every resolver gets: the application, who asks, and the loaders of this request. */
export interface Context {
  readonly app: App
  readonly viewer: Viewer
  readonly load: Loaders
}

export const createContext = (app: App, viewer: Viewer): Context => ({ app, viewer, load: createLoaders(app, viewer) })
