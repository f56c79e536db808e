import DataLoader from 'dataloader'
import type { ReviewTask, Vertex } from '../generated/prisma/client.ts'
import type { Viewer } from '../services/access.ts'
import type { App } from '../services/app.ts'
import {
  findConstraintsOfDecisions,
  findConstraintsOfPairs,
  findIdentitiesOfDecisions,
  findPurities,
  type ItemPair,
} from '../services/batches.ts'
import { countEmbeddings, findActiveSpaceIds } from '../services/embedding-spaces.ts'
import { findExportFiles } from '../services/exports.ts'
import type { Ref, RunRef } from '../services/id.ts'
import { findIdentitiesOfItems, findPublishedVertices } from '../services/identity-members.ts'
import type { Page, PageResult } from '../services/page.ts'
import { findAnswers } from '../services/review-tasks.ts'
import { findRows, findRunRows, type RefModel } from '../services/rows.ts'
import { findClusterPages, findPathsToRoot } from '../services/run-vertices.ts'
import { findSimilar, type SimilarItem, type SimilarOptions } from '../services/similarity.ts'
import { findMemberships, findUsers } from '../services/users.ts'
import { countDeadLetters } from '../services/webhooks.ts'

const refKey = ({ projectId, id }: Ref) => `${projectId}/${id}`
const runKey = ({ projectId, runId, index }: RunRef) => `${projectId}/${runId}/${index}`

const byRef = <Model extends RefModel>(app: App, model: Model) =>
  new DataLoader((refs: readonly Ref[]) => findRows(app, model, refs), { cacheKeyFn: refKey })

const byIndex = <Model extends 'cluster' | 'vertex'>(app: App, model: Model) =>
  new DataLoader((refs: readonly RunRef[]) => findRunRows(app, model, refs), { cacheKeyFn: runKey })

/** Lists that are found for the rows of one project at a time: `nodes` may ask for rows of several. */
function byProject<Row extends Ref, Found>(
  find: (projectId: string, rows: readonly Row[]) => Promise<Map<string, Found[]>>,
) {
  return new DataLoader<Row, Found[], string>(
    async (rows) => {
      const projectIds = [...new Set(rows.map(({ projectId }) => projectId))]
      const found = await Promise.all(
        projectIds.map(async (projectId): Promise<[string, Map<string, Found[]>]> => {
          const own = rows.filter((row) => row.projectId === projectId)
          return [projectId, await find(projectId, own)]
        }),
      )
      const maps = new Map(found)
      return rows.map(({ projectId, id }) => maps.get(projectId)?.get(id) ?? [])
    },
    { cacheKeyFn: refKey },
  )
}

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

/** A loader for each length asked for. */
function pathLoaders(app: App) {
  const loaders = new Map<number, DataLoader<RunRef, Vertex[], string>>()
  return (maxEdges: number) => {
    let loader = loaders.get(maxEdges)
    if (!loader) {
      loader = new DataLoader((starts: readonly RunRef[]) => findPathsToRoot(app, starts, maxEdges), {
        cacheKeyFn: runKey,
      })
      loaders.set(maxEdges, loader)
    }
    return loader
  }
}

/** A loader for each run and page: the first pages of fifty clusters cost one statement. */
function clusterPageLoaders(app: App) {
  const loaders = new Map<string, DataLoader<RunRef, PageResult<Vertex>, string>>()
  return ({ runId }: RunRef, page: Page) => {
    const key = JSON.stringify([runId, page])
    let loader = loaders.get(key)
    if (!loader) {
      loader = new DataLoader((clusters: readonly RunRef[]) => findClusterPages(app, clusters, page), {
        cacheKeyFn: runKey,
      })
      loaders.set(key, loader)
    }
    return loader
  }
}

/** One loader a table and request: a list of 50 rows costs one statement for each to-one, not 50. */
export const createLoaders = (app: App, viewer: Viewer) => ({
  user: new DataLoader((ids: readonly string[]) => findUsers(app, ids)),
  membership: new DataLoader((refs: readonly Ref[]) => findMemberships(app, refs), { cacheKeyFn: refKey }),
  apiKey: byRef(app, 'apiKey'),
  auditEvent: byRef(app, 'auditEvent'),
  webhookEndpoint: byRef(app, 'webhookEndpoint'),
  webhookDelivery: byRef(app, 'webhookDelivery'),
  deadLetters: new DataLoader((refs: readonly Ref[]) => countDeadLetters(app, refs), { cacheKeyFn: refKey }),
  item: byRef(app, 'item'),
  identity: byRef(app, 'identity'),
  decision: byRef(app, 'decision'),
  constraint: byRef(app, 'constraint'),
  clusterRun: byRef(app, 'clusterRun'),
  reviewTask: byRef(app, 'reviewTask'),
  calibrationReport: byRef(app, 'calibrationReport'),
  trainingRun: byRef(app, 'trainingRun'),
  modelVersion: byRef(app, 'modelVersion'),
  datasetVersion: byRef(app, 'datasetVersion'),
  embeddingSpace: byRef(app, 'embeddingSpace'),
  embeddedCount: new DataLoader((refs: readonly Ref[]) => countEmbeddings(app, refs), { cacheKeyFn: refKey }),
  activeSpaceId: new DataLoader((projectIds: readonly string[]) => findActiveSpaceIds(app, projectIds)),
  export: byRef(app, 'export'),
  job: byRef(app, 'job'),
  identityOfItem: new DataLoader((refs: readonly Ref[]) => findIdentitiesOfItems(app, refs), { cacheKeyFn: refKey }),
  publishedVertex: new DataLoader((refs: readonly Ref[]) => findPublishedVertices(app, refs), { cacheKeyFn: refKey }),
  purity: new DataLoader((refs: readonly Ref[]) => findPurities(app, refs), { cacheKeyFn: refKey }),
  constraintsOfDecision: new DataLoader((refs: readonly Ref[]) => findConstraintsOfDecisions(app, refs), {
    cacheKeyFn: refKey,
  }),
  identitiesOfDecision: new DataLoader((refs: readonly Ref[]) => findIdentitiesOfDecisions(app, refs), {
    cacheKeyFn: refKey,
  }),
  constraintOfPair: new DataLoader((pairs: readonly ItemPair[]) => findConstraintsOfPairs(app, pairs), {
    cacheKeyFn: ({ projectId, left, right }: ItemPair) => `${projectId}/${left}/${right}`,
  }),
  filesOfExport: byProject((projectId, refs: readonly Ref[]) =>
    findExportFiles(
      app,
      projectId,
      refs.map(({ id }) => id),
    ),
  ),
  answersOfTask: byProject((projectId, tasks: readonly ReviewTask[]) => findAnswers(app, viewer, projectId, tasks)),
  pathToRoot: pathLoaders(app),
  clusterPage: clusterPageLoaders(app),
  similar: similarLoaders(app),
  cluster: byIndex(app, 'cluster'),
  vertex: byIndex(app, 'vertex'),
})

export type Loaders = ReturnType<typeof createLoaders>
