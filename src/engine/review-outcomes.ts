import { asProbability, type Outcome, type Outcomes } from './calibration.ts'
import type { MergeCandidates } from './partition/merge-candidates.ts'
import type { Labels } from './types.ts'

/** A clustering of labelled vertices and what was believed of it. */
export interface Believed {
  /** int32 [n]: the cluster of each vertex, dense from 0. */
  readonly clusters: Labels
  readonly clusterSizes: Int32Array
  /** int32 [n], -1 for a root. */
  readonly parent: Int32Array
  /** float32 [n]: that v and its parent are of one identity. */
  readonly toParent: Float32Array
  readonly merges: MergeCandidates
  /** float64 [n]: members of v's cluster expected to share its identity. */
  readonly company: Float64Array
}

/**
 * How the questions about a clustering come out, to adjust the calibration by.
 *
 * @param truth int32 [n]: true identities
 * @param isCounted whether an outcome about this vertex counts; default all do
 */
export function reviewOutcomes(
  { clusters, clusterSizes, parent, toParent, merges, company }: Believed,
  truth: Labels,
  isCounted: (v: number) => boolean = () => true,
): Outcomes {
  const outcomes = { parent: [] as Outcome[], merge: [] as Outcome[], company: [] as Outcome[] }
  for (const [v, u] of parent.entries()) {
    if (u >= 0 && isCounted(v)) outcomes.parent.push({ probability: toParent[v], truth: truth[v] === truth[u] ? 1 : 0 })
  }
  const identities = truth.reduce((most, label) => Math.max(most, label), -1) + 1
  const keyOf = (v: number) => clusters[v] * identities + truth[v]
  const counts = new Map<number, number>()
  for (const v of truth.keys()) counts.set(keyOf(v), (counts.get(keyOf(v)) ?? 0) + 1)
  const sizeOf = (v: number) => clusterSizes[clusters[v]]
  for (let i = 0; i < merges.count; i++) {
    const ends = [merges.child[i], merges.parent[i]]
    if (!ends.some(isCounted)) continue
    const isSame = truth[ends[0]] === truth[ends[1]]
    const size = Math.min(...ends.map(sizeOf))
    outcomes.merge.push({ probability: merges.probability[i], truth: isSame ? 1 : 0, size })
    if (!isSame) continue
    for (const v of ends) {
      const others = sizeOf(v) - 1
      if (others < 1) continue
      outcomes.company.push({
        probability: asProbability((company[v] - 1) / others),
        truth: ((counts.get(keyOf(v)) ?? 1) - 1) / others,
        size: others + 1,
      })
    }
  }
  return outcomes
}
