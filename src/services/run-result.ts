import { edgePriority, type PlacementResult } from '../engine/index.ts'
import type { Tx } from './app.ts'
import type { Ref } from './id.ts'

/** Rows in one statement: large arrays bind fast, and each stays well below a second. */
const CHUNK = 20_000

/** Removes what an earlier attempt of the same run had written. */
export async function clearRunResult(tx: Tx, { projectId, id: runId }: Ref): Promise<void> {
  await tx.vertex.deleteMany({ where: { projectId, runId } })
  await tx.cluster.deleteMany({ where: { projectId, runId } })
  await tx.mergeEdge.deleteMany({ where: { projectId, runId } })
}

/** Writes vertices, clusters and merge candidates of a run; row i of the result is `itemIds[i]`. */
export async function writeRunResult(
  tx: Tx,
  { projectId, id: runId }: Ref,
  itemIds: readonly string[],
  result: PlacementResult,
  onRows: (written: number, total: number) => void,
): Promise<void> {
  const { labels, confidence, parent, parentSimilarity, parentProbability, subtreeSize, clusterSizes, roots } = result
  const n = itemIds.length
  const risk = new Float64Array(clusterSizes.length)
  const impact = new Float64Array(n)
  for (let v = 0; v < n; v++) {
    const cluster = labels[v] as number
    if ((parent[v] as number) >= 0) {
      impact[v] = edgePriority(
        parentProbability[v] as number,
        subtreeSize[v] as number,
        clusterSizes[cluster] as number,
      )
    }
    risk[cluster] = (risk[cluster] as number) + (impact[v] as number)
  }
  for (let from = 0; from < n; from += CHUNK) {
    const to = Math.min(n, from + CHUNK)
    const part = <T>(values: { slice(from: number, to: number): Iterable<T> }): T[] => [...values.slice(from, to)]
    await tx.$executeRaw`
      /* writeRunResult: vertices */
      INSERT INTO "Vertex" ("projectId", "runId", "index", "itemId", "clusterIndex", "confidence", "parentIndex",
        "parentSimilarity", "parentProbability", "subtreeSize", "impact")
      SELECT ${projectId}::uuid, ${runId}::uuid, t.i + ${from}::int - 1, t.item, t.cluster, t.confidence,
        nullif(t.parent, -1), CASE WHEN t.parent >= 0 THEN t.similarity END,
        CASE WHEN t.parent >= 0 THEN t.probability END, t.subtree, t.impact
      FROM unnest(${part(itemIds)}::uuid[], ${part(labels)}::int[], ${part(confidence)}::real[], ${part(parent)}::int[],
        ${part(parentSimilarity)}::real[], ${part(parentProbability)}::real[], ${part(subtreeSize)}::int[],
        ${part(impact)}::float8[])
        WITH ORDINALITY AS t(item, cluster, confidence, parent, similarity, probability, subtree, impact, i)`
    onRows(to, n)
  }
  for (let from = 0; from < clusterSizes.length; from += CHUNK) {
    const to = Math.min(clusterSizes.length, from + CHUNK)
    await tx.$executeRaw`
      /* writeRunResult: clusters */
      INSERT INTO "Cluster" ("projectId", "runId", "index", "size", "rootIndex", "risk")
      SELECT ${projectId}::uuid, ${runId}::uuid, t.i + ${from}::int - 1, t.size, t.root, t.risk
      FROM unnest(${[...clusterSizes.slice(from, to)]}::int[], ${[...roots.slice(from, to)]}::int[],
        ${[...risk.slice(from, to)]}::float8[]) WITH ORDINALITY AS t(size, root, risk, i)`
  }
  const { count, left, right, child, parent: mergeParent, similarity, probability, priority } = result.mergeCandidates
  for (let from = 0; from < count; from += CHUNK) {
    const to = Math.min(count, from + CHUNK)
    await tx.$executeRaw`
      /* writeRunResult: merge edges */
      INSERT INTO "MergeEdge" ("projectId", "runId", "leftCluster", "rightCluster", "childIndex", "parentIndex",
        "similarity", "probability", "priority")
      SELECT ${projectId}::uuid, ${runId}::uuid, t.l, t.r, t.c, t.p, t.s, t.q, t.w
      FROM unnest(${[...left.slice(from, to)]}::int[], ${[...right.slice(from, to)]}::int[],
        ${[...child.slice(from, to)]}::int[], ${[...mergeParent.slice(from, to)]}::int[],
        ${[...similarity.slice(from, to)]}::real[], ${[...probability.slice(from, to)]}::real[],
        ${[...priority.slice(from, to)]}::float8[]) AS t(l, r, c, p, s, q, w)`
  }
}

const BINS = 20

/** Confidence in 20 equal bins from -1 to 1, the range of equation 1; what lies beyond falls into the outermost bin. */
export function histogramOf(confidence: Float32Array): number[] {
  const bins = new Array<number>(BINS).fill(0)
  for (const value of confidence) {
    const bin = Math.max(0, Math.min(BINS - 1, Math.floor(((value + 1) / 2) * BINS)))
    bins[bin] = (bins[bin] as number) + 1
  }
  return bins
}
