import type { PlacementBase } from '../engine/index.ts'
import type { App } from './app.ts'
import type { Ref } from './id.ts'

interface Row {
  index: number
  itemId: string
  clusterIndex: number
  confidence: number
  parentIndex: number | null
  parentProbability: number | null
}

const PAGE = 20_000

/**
 * A finished run as the base of a placement: its vertices by the rows of today, what it does not know as new. Vertices
 * whose items are gone are left out.
 *
 * @param itemIds rows of the placement, in order
 */
export async function readRunBase(
  { prisma }: Pick<App, 'prisma'>,
  { projectId, id: runId }: Ref,
  itemIds: readonly string[],
): Promise<{ base: PlacementBase; newCount: number }> {
  const n = itemIds.length
  const rowOf = new Map(itemIds.map((itemId, row) => [itemId, row]))
  const labels = new Int32Array(n).fill(-1)
  const confidence = new Float32Array(n)
  const parentProbability = new Float32Array(n).fill(1)
  const parentIndex = new Int32Array(n).fill(-1)
  // Row of each of the run's own indexes; -1 where the item is gone.
  const rows: number[] = []
  for (let after = -1; ; ) {
    const page = await prisma.$queryRaw<Row[]>`
      /* readRunBase: vertices */ SELECT "index", "itemId", "clusterIndex", "confidence", "parentIndex", "parentProbability"
      FROM "Vertex" WHERE "projectId" = ${projectId}::uuid AND "runId" = ${runId}::uuid AND "index" > ${after}
      ORDER BY "index" LIMIT ${PAGE}`
    for (const vertex of page) {
      const row = rowOf.get(vertex.itemId) ?? -1
      rows[vertex.index] = row
      if (row < 0) continue
      labels[row] = vertex.clusterIndex
      confidence[row] = vertex.confidence
      parentIndex[row] = vertex.parentIndex ?? -1
      parentProbability[row] = vertex.parentProbability ?? 1
    }
    if (page.length < PAGE) break
    after = (page.at(-1) as Row).index
  }
  const parent = parentIndex.map((index) => (index < 0 ? -1 : (rows[index] ?? -1)))
  const merges = await prisma.$queryRaw<
    { childIndex: number; parentIndex: number; similarity: number; probability: number }[]
  >`
    /* readRunBase: merges */ SELECT "childIndex", "parentIndex", "similarity", "probability" FROM "MergeEdge"
    WHERE "projectId" = ${projectId}::uuid AND "runId" = ${runId}::uuid ORDER BY "leftCluster", "rightCluster"`
  const known = merges.filter((edge) => (rows[edge.childIndex] ?? -1) >= 0 && (rows[edge.parentIndex] ?? -1) >= 0)
  return {
    base: {
      labels,
      confidence,
      parent,
      parentProbability,
      merges: {
        child: Int32Array.from(known, (edge) => rows[edge.childIndex] as number),
        parent: Int32Array.from(known, (edge) => rows[edge.parentIndex] as number),
        similarity: Float32Array.from(known, ({ similarity }) => similarity),
        probability: Float32Array.from(known, ({ probability }) => probability),
      },
    },
    newCount: labels.reduce((sum, label) => sum + (label < 0 ? 1 : 0), 0),
  }
}
