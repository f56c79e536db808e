import DataLoader from 'dataloader'
import type { App } from '../services/app.ts'
import type { Ref, RunRef } from '../services/id.ts'
import { findIdentitiesOfItems } from '../services/identity-members.ts'
import { findRows, findRunRows, type RefModel } from '../services/rows.ts'
import { findSimilar, type SimilarItem, type SimilarOptions } from '../services/similarity.ts'
import { findUsers } from '../services/users.ts'

const refKey = ({ projectId, id }: Ref) => `${projectId}/${id}`
const runKey = ({ projectId, runId, index }: RunRef) => `${projectId}/${runId}/${index}`

const byRef = <Model extends RefModel>(app: App, model: Model) =>
  new DataLoader((refs: readonly Ref[]) => findRows(app, model, refs), { cacheKeyFn: refKey })

const byIndex = <Model extends 'cluster' | 'vertex'>(app: App, model: Model) =>
  new DataLoader((refs: readonly RunRef[]) => findRunRows(app, model, refs), { cacheKeyFn: runKey })

/** A loader for each set of options: a list of items then costs one search statement. */
function similarLoaders(app: App) {
  const loaders = new Map<string, DataLoader<string, SimilarItem[]>>()
  return ({ projectId, ...options }: SimilarOptions & { projectId: string }) => {
    const key = JSON.stringify([projectId, options])
    let loader = loaders.get(key)
    if (!loader) {
      loader = new DataLoader((itemIds: readonly string[]) => findSimilar(app, projectId, itemIds, options))
      loaders.set(key, loader)
    }
    return loader
  }
}

/** One loader a table and request: a list of 50 rows costs one statement for each to-one, not 50. */
export const createLoaders = (app: App) => ({
  user: new DataLoader((ids: readonly string[]) => findUsers(app, ids)),
  item: byRef(app, 'item'),
  identity: byRef(app, 'identity'),
  decision: byRef(app, 'decision'),
  constraint: byRef(app, 'constraint'),
  clusterRun: byRef(app, 'clusterRun'),
  reviewTask: byRef(app, 'reviewTask'),
  trainingRun: byRef(app, 'trainingRun'),
  modelVersion: byRef(app, 'modelVersion'),
  datasetVersion: byRef(app, 'datasetVersion'),
  export: byRef(app, 'export'),
  job: byRef(app, 'job'),
  identityOfItem: new DataLoader((refs: readonly Ref[]) => findIdentitiesOfItems(app, refs), { cacheKeyFn: refKey }),
  similar: similarLoaders(app),
  cluster: byIndex(app, 'cluster'),
  vertex: byIndex(app, 'vertex'),
})

export type Loaders = ReturnType<typeof createLoaders>
