import type { Cluster, ClusterMethod, ClusterRun, Item, Job, Project, Vertex } from '../generated/prisma/client.ts'
import * as runs from '../services/cluster-runs.ts'
import { publishClusterRun as publish } from '../services/publish-cluster-run.ts'
import { diffRuns } from '../services/run-diff.ts'
import * as vertices from '../services/run-vertices.ts'
import { byId, type PageArgs, pageOf, toConnection } from './connection.ts'
import type { Context } from './context.ts'
import { decodeId, decodeRoot, encodeId, encodeRunNode } from './global-id.ts'
import { payload } from './payload.ts'

/** A link of the forest: the less confident end, and the more confident one it hangs on. */
export interface GraphEdgeSource {
  projectId: string
  runId: string
  childIndex: number
  parentIndex: number
  similarity: number
  probability: number
}

const asNode = <Row>(node: Row) => ({ node })

export const id = (run: ClusterRun) => encodeId('ClusterRun', run)
export const clusterId = (cluster: Cluster) => encodeRunNode('Cluster', cluster)
export const vertexId = (vertex: Vertex) => encodeRunNode('Vertex', vertex)

export const job = ({ projectId, jobId }: ClusterRun, _args: unknown, { load }: Context) =>
  load.job.load({ projectId, id: jobId }) as Promise<Job>

export const model = ({ projectId, modelVersionId }: ClusterRun, _args: unknown, { load }: Context) =>
  modelVersionId ? load.modelVersion.load({ projectId, id: modelVersionId }) : null

export const isIncremental = ({ incremental }: ClusterRun) => incremental

export const parent = ({ projectId, parentId }: ClusterRun, _args: unknown, { load }: Context) =>
  parentId ? load.clusterRun.load({ projectId, id: parentId }) : null

/** JSON columns whose shape their writer guarantees. */
export const phases = (run: ClusterRun) =>
  run.phases as unknown as { name: string; seconds: number; peakRssBytes: number }[]
export const quality = (run: ClusterRun) => run.quality as never

export const clusterRun = (_root: unknown, { id }: { id: string }, { app, viewer }: Context) =>
  runs.getClusterRun(app, viewer, decodeId('ClusterRun', id, 'id'))

export const publishedRun = ({ id, publishedRunId }: Project, _args: unknown, { load }: Context) =>
  publishedRunId ? load.clusterRun.load({ projectId: id, id: publishedRunId }) : null

export async function projectRuns({ id }: Project, args: PageArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  return byId(page, await runs.listClusterRuns(app, viewer, id, page))
}

export async function runClusters(run: ClusterRun, args: PageArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  const found = await vertices.listClusters(app, viewer, run, page)
  return toConnection(page, found, (cluster) => [cluster.risk, cluster.index], asNode)
}

type VerticesArgs = PageArgs & { orderBy: vertices.VertexOrder; minSubtreeSize?: number | null }

export async function runVertices(run: ClusterRun, args: VerticesArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  const found = await vertices.listVertices(app, viewer, run, page, args.orderBy, args.minSubtreeSize ?? 1)
  return toConnection(page, found, vertices.vertexKeyset(args.orderBy), asNode)
}

export async function clusterVertices(cluster: Cluster, args: PageArgs, { load }: Context) {
  const page = pageOf(args)
  const found = await load.clusterPage(cluster, page).load(cluster)
  return toConnection(page, found, (vertex) => [vertex.parentIndex !== null, vertex.index], asNode)
}

export const diff = (
  { projectId, id }: ClusterRun,
  { againstRunId }: { againstRunId: string },
  { app, viewer }: Context,
) => diffRuns(app, viewer, { projectId, id }, decodeId('ClusterRun', againstRunId, 'againstRunId').id)

export const diffClusters =
  (side: 'before' | 'after') =>
  async (entry: { before: object[]; after: object[] }, _args: unknown, { load }: Context) =>
    (await load.cluster.loadMany(entry[side] as never)) as Cluster[]

export const clusterRunOf = ({ projectId, runId }: Cluster, _args: unknown, { load }: Context) =>
  load.clusterRun.load({ projectId, id: runId }) as Promise<ClusterRun>

export const clusterRoot = ({ projectId, runId, rootIndex }: Cluster, _args: unknown, { load }: Context) =>
  load.vertex.load({ projectId, runId, index: rootIndex }) as Promise<Vertex>

export const clusterIdentity = ({ projectId, identityId }: Cluster, _args: unknown, { load }: Context) =>
  identityId ? load.identity.load({ projectId, id: identityId }) : null

export const vertexItem = ({ projectId, itemId }: Vertex, _args: unknown, { load }: Context) =>
  load.item.load({ projectId, id: itemId }) as Promise<Item>

const edgeUp = (vertex: Vertex): GraphEdgeSource | null =>
  vertex.parentIndex === null
    ? null
    : {
        projectId: vertex.projectId,
        runId: vertex.runId,
        childIndex: vertex.index,
        parentIndex: vertex.parentIndex,
        similarity: vertex.parentSimilarity ?? 0,
        probability: vertex.parentProbability ?? 0,
      }

export const parentEdge = (vertex: Vertex) => edgeUp(vertex)

export const pathToRoot = async (vertex: Vertex, { maxEdges }: { maxEdges: number }, { load }: Context) =>
  (await load.pathToRoot(maxEdges).load(vertex))
    .map(edgeUp)
    .filter((edge) => edge !== null)
    .slice(0, maxEdges)

export const edgeChild = ({ projectId, runId, childIndex }: GraphEdgeSource, _args: unknown, { load }: Context) =>
  load.vertex.load({ projectId, runId, index: childIndex }) as Promise<Vertex>

export const edgeParent = ({ projectId, runId, parentIndex }: GraphEdgeSource, _args: unknown, { load }: Context) =>
  load.vertex.load({ projectId, runId, index: parentIndex }) as Promise<Vertex>

export const edgeConstraint = async (edge: GraphEdgeSource, _args: unknown, { load }: Context) => {
  const { projectId, runId, childIndex, parentIndex } = edge
  const [child, parent] = await Promise.all([
    load.vertex.load({ projectId, runId, index: childIndex }),
    load.vertex.load({ projectId, runId, index: parentIndex }),
  ])
  return child && parent ? load.constraintOfPair.load({ projectId, left: child.itemId, right: parent.itemId }) : null
}

export const startClusterRun = payload(async ({ input }: { input: runs.StartClusterRun }, { app, viewer }) => ({
  clusterRun: await runs.startClusterRun(app, viewer, {
    ...input,
    projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
    modelVersionId:
      input.modelVersionId && decodeId('ModelVersion', input.modelVersionId, 'input', 'modelVersionId').id,
  }),
}))

export const publishClusterRun = payload(
  async (
    { input }: { input: { clusterRunId: string; expectedLedgerRevision: number; idempotencyKey: string } },
    { app, viewer },
  ) => {
    const run = decodeId('ClusterRun', input.clusterRunId, 'input', 'clusterRunId')
    return {
      clusterRun: await publish(app, viewer, {
        projectId: run.projectId,
        clusterRunId: run.id,
        expectedLedgerRevision: input.expectedLedgerRevision,
        idempotencyKey: input.idempotencyKey,
      }),
    }
  },
)

/** What the engine has written beside the result of a run. */
interface Chosen {
  readonly parameters: Record<string, number | string | boolean>
  readonly explanation: string
}

const chosenOf = ({ chosen }: ClusterRun): Chosen | null => chosen as Chosen | null

export function chosenMethod(run: ClusterRun): ClusterMethod | null {
  const chosen = chosenOf(run)
  return chosen && ((chosen.parameters.method as ClusterMethod | undefined) ?? run.method)
}

export function chosenParameters(run: ClusterRun): Chosen['parameters'] | null {
  const chosen = chosenOf(run)
  if (!chosen) return null
  const { method: _, ...parameters } = chosen.parameters
  return parameters
}

export const explanation = (run: ClusterRun): string | null => chosenOf(run)?.explanation ?? null
