import { UnionFind } from '../partition/union-find.ts'
import type { Labels } from '../types.ts'

/** Which proposed clusters become training data. Each choice is measured in docs/retraining.md. */
export interface PseudoLabelChoices {
  /** Clusters of fewer samples are left out. Default 2: one sample of a class teaches nothing. */
  readonly minSize?: number
  /** Links of a smaller calibrated probability are cut first. Default 0: clusters as proposed. */
  readonly minProbability?: number
  /** Each sample counts as much as its cluster is sure. Default false. */
  readonly weighByConfidence?: boolean
}

/** What of a clustering is needed; n rows. */
export interface ProposedClusters {
  /** int32 [n] */
  readonly labels: Labels
  /** int32 [n]: the row each one hangs on, -1 for the root of a cluster. */
  readonly parent: Int32Array
  /** float32 [n]: probability that row and parent are one identity, 1 for a root. */
  readonly parentProbability: Float32Array
}

export interface PseudoLabels {
  /** int32: rows of the clustering that are kept, ascending. */
  readonly rows: Int32Array
  /** int32: cluster of each kept row, dense from 0. */
  readonly labels: Labels
  /** float32: how much each row counts, 1 on average; absent where all count the same. */
  readonly weights?: Float32Array
  readonly classes: number
  /** Rows in clusters that were too small. */
  readonly dropped: number
}

/**
 * Turns proposed clusters into labels to train on.
 *
 * The confidence of a cluster is the mean probability of the links that hold it together. Inputs are not changed; O(n).
 */
export function pseudoLabels(
  { labels, parent, parentProbability }: ProposedClusters,
  { minSize = 2, minProbability = 0, weighByConfidence = false }: PseudoLabelChoices = {},
): PseudoLabels {
  const groups = minProbability > 0 ? cutLinks(parent, parentProbability, minProbability) : labels
  const sizes = new Map<number, number>()
  const sureness = new Map<number, number>()
  for (let v = 0; v < groups.length; v++) {
    sizes.set(groups[v], (sizes.get(groups[v]) ?? 0) + 1)
    const probability = parent[v] < 0 ? 0 : parentProbability[v]
    sureness.set(groups[v], (sureness.get(groups[v]) ?? 0) + probability)
  }
  const rows = Int32Array.from(groups.keys()).filter((v) => (sizes.get(groups[v]) as number) >= minSize)
  const numbers = new Map<number, number>()
  const kept = rows.map((v) => {
    if (!numbers.has(groups[v])) numbers.set(groups[v], numbers.size)
    return numbers.get(groups[v]) as number
  })
  const result = { rows, labels: kept, classes: numbers.size, dropped: groups.length - rows.length }
  if (!weighByConfidence || rows.length === 0) return result
  const raw = Float32Array.from(rows, (v) => {
    const links = (sizes.get(groups[v]) as number) - 1
    return links === 0 ? 0 : (sureness.get(groups[v]) as number) / links
  })
  const mean = raw.reduce((sum, weight) => sum + weight, 0) / raw.length
  return { ...result, weights: raw.map((weight) => (mean > 0 ? weight / mean : 1)) }
}

/** Components of the trees that remain. */
function cutLinks(parent: Int32Array, probability: Float32Array, least: number): Labels {
  const sets = new UnionFind(parent.length)
  for (let v = 0; v < parent.length; v++) if (parent[v] >= 0 && probability[v] >= least) sets.union(v, parent[v])
  return sets.labels()
}
