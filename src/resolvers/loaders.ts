import DataLoader from 'dataloader'
import type { App } from '../services/app.ts'
import type { Ref, RunRef } from '../services/id.ts'
import { findRows, findRunRows, type RefModel } from '../services/rows.ts'
import { findUsers } from '../services/users.ts'

const refKey = ({ projectId, id }: Ref) => `${projectId}/${id}`
const runKey = ({ projectId, runId, index }: RunRef) => `${projectId}/${runId}/${index}`

const byRef = <Model extends RefModel>(app: App, model: Model) =>
  new DataLoader((refs: readonly Ref[]) => findRows(app, model, refs), { cacheKeyFn: refKey })

const byIndex = <Model extends 'cluster' | 'vertex'>(app: App, model: Model) =>
  new DataLoader((refs: readonly RunRef[]) => findRunRows(app, model, refs), { cacheKeyFn: runKey })

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
  cluster: byIndex(app, 'cluster'),
  vertex: byIndex(app, 'vertex'),
})

export type Loaders = ReturnType<typeof createLoaders>
