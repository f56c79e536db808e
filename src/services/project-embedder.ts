import type { App } from './app.ts'
import type { Embedder } from './embedder-port.ts'

/** What a project embeds pictures with that come without a vector; undefined where it names nothing. */
export async function findProjectEmbedder(_app: App, _projectId: string): Promise<Embedder | undefined> {
  return undefined
}
