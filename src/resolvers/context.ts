import type { Viewer } from '../services/access.ts'
import type { App } from '../services/app.ts'
import { createLoaders, type Loaders } from './loaders.ts'

/** What every resolver gets: the application, who asks, and the loaders of this request. */
export interface Context {
  readonly app: App
  readonly viewer: Viewer
  /** Replaced at each event of a subscription, see `startEvent`. */
  load: Loaders
}

export const createContext = (app: App, viewer: Viewer): Context => ({ app, viewer, load: createLoaders(app, viewer) })

/** An event of a subscription is a request of its own: nothing is remembered from the events before it. */
export function startEvent(context: Context): void {
  context.viewer.roles.clear()
  context.load = createLoaders(context.app, context.viewer)
}
