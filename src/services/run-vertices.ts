import { type Cluster, Prisma, type Vertex } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { invalid } from './errors.ts'
import type { Ref, RunRef } from './id.ts'
import { cutPage, indexOf, numberOf, type Page, type PageResult } from './page.ts'

export type VertexOrder = 'CONFIDENCE_ASC' | 'CONFIDENCE_DESC' | 'IMPACT_DESC'

/** Sort column and direction of each order; the index breaks ties. */
const ORDERS: Record<VertexOrder, { column: 'confidence' | 'impact'; isDescending: boolean }> = {
  CONFIDENCE_ASC: { column: 'confidence', isDescending: false },
  CONFIDENCE_DESC: { column: 'confidence', isDescending: true },
  IMPACT_DESC: { column: 'impact', isDescending: true },
}

/** The sort key of a vertex in an order: its cursor. */
export const vertexKeyset = (order: VertexOrder) => (vertex: Vertex) => [vertex[ORDERS[order].column], vertex.index]

/** Vertices of a run; least confident first is what the method asks people to look at. */
export async function listVertices(
  app: App,
  viewer: Viewer,
  { projectId, id: runId }: Ref,
  { first, after }: Page,
  order: VertexOrder,
  minSubtreeSize = 1,
): Promise<PageResult<Vertex>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const { column, isDescending } = ORDERS[order]
  const beyond = isDescending ? ('lt' as const) : ('gt' as const)
  const direction = isDescending ? ('desc' as const) : ('asc' as const)
  const rows = await app.prisma.vertex.findMany({
    where: {
      projectId,
      runId,
      ...(minSubtreeSize > 1 && { subtreeSize: { gte: minSubtreeSize } }),
      ...(after && {
        OR: [
          { [column]: { [beyond]: numberOf(after) } },
          { [column]: numberOf(after), index: { gt: indexOf(after, 1) } },
        ],
      }),
    },
    orderBy: [{ [column]: direction }, { index: 'asc' }],
    take: first + 1,
  })
  return cutPage(rows, first)
}

/** Clusters of a run, most expected wrong pairs first. */
export async function listClusters(
  app: App,
  viewer: Viewer,
  { projectId, id: runId }: Ref,
  { first, after }: Page,
): Promise<PageResult<Cluster>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const rows = await app.prisma.cluster.findMany({
    where: {
      projectId,
      runId,
      ...(after && {
        OR: [{ risk: { lt: numberOf(after) } }, { risk: numberOf(after), index: { gt: indexOf(after, 1) } }],
      }),
    },
    orderBy: [{ risk: 'desc' }, { index: 'asc' }],
    take: first + 1,
  })
  return cutPage(rows, first)
}

/**
 * Members of clusters of one run, a page of each: the root first, then in the order of the run. One statement for all
 * clusters that are asked for their first page together.
 */
export async function findClusterPages(
  app: App,
  clusters: readonly RunRef[],
  { first, after }: Page,
): Promise<PageResult<Vertex>[]> {
  const [{ projectId, runId } = { projectId: '', runId: '' }] = clusters
  const rest = after
    ? Prisma.sql`AND ("parentIndex" IS NOT NULL, "index") > (${Boolean(after[0])}, ${indexOf(after, 1)})`
    : Prisma.empty
  const rows = await app.prisma.$queryRaw<(Vertex & { rank: bigint })[]>`
    /* findClusterPages */ SELECT * FROM (
      SELECT v.*, row_number() OVER (PARTITION BY "clusterIndex" ORDER BY "parentIndex" IS NOT NULL, "index") AS "rank"
      FROM "Vertex" v WHERE "projectId" = ${projectId}::uuid AND "runId" = ${runId}::uuid
        AND "clusterIndex" = ANY(${clusters.map(({ index }) => index)}::int[]) ${rest}) s
    WHERE "rank" <= ${first + 1} ORDER BY "clusterIndex", "rank"`
  const pages = new Map<number, Vertex[]>(clusters.map(({ index }) => [index, []]))
  for (const { rank: _rank, ...vertex } of rows) pages.get(vertex.clusterIndex)?.push(vertex)
  return clusters.map(({ index }) => cutPage(pages.get(index) ?? [], first))
}

const MAX_PATH = 256

/**
 * The vertices from one up to its root, itself first: why it is in its cluster. One recursive statement for all `starts`.
 */
export async function findPathsToRoot(app: App, starts: readonly RunRef[], maxEdges: number): Promise<Vertex[][]> {
  if (maxEdges < 1 || maxEdges > MAX_PATH)
    throw invalid(`maxEdges must be 1 to ${MAX_PATH}: got ${maxEdges}`, 'maxEdges')
  const [{ projectId, runId } = { projectId: '', runId: '' }] = starts
  const sameRun = starts.filter((start) => start.runId === runId)
  const rows = await app.prisma.$queryRaw<(Vertex & { start: number; depth: number })[]>`
    /* findPathsToRoot */
    WITH RECURSIVE path AS (
      SELECT v.*, v."index" AS "start", 0 AS "depth" FROM "Vertex" v
      WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid
        AND v."index" = ANY(${sameRun.map(({ index }) => index)}::int[])
      UNION ALL
      SELECT v.*, p."start", p."depth" + 1 FROM path p
      JOIN "Vertex" v ON v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid AND v."index" = p."parentIndex"
      WHERE p."depth" < ${maxEdges}
    )
    SELECT * FROM path ORDER BY "start", "depth"`
  const paths = new Map<number, Vertex[]>()
  for (const { start, depth: _depth, ...vertex } of rows) {
    const path = paths.get(start)
    if (path) path.push(vertex)
    else paths.set(start, [vertex])
  }
  const others = starts.filter((start) => start.runId !== runId)
  const rest = others.length > 0 ? await findPathsToRoot(app, others, maxEdges) : []
  return starts.map((start) => (start.runId === runId ? (paths.get(start.index) ?? []) : (rest.shift() ?? [])))
}
