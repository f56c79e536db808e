import { ranking } from './tree-partition.ts'

/**
 * How many members of v's cluster, itself counted, are expected to share its identity: float64 [n], 1 up to the
 * cluster's size.
 *
 * Along the tree, v and w are one identity when every edge of their path is right: the sum over w of the product of the
 * probabilities on the path. A sound cluster counts in full, a junk cluster for little, whatever its size.
 *
 * @param parent int32 [n]: a more confident vertex, -1 for a root
 * @param probability float32 [n]: that v and its parent are of one identity, 0..1
 * Two passes over the forest: sums towards the root, then what the rest of the tree adds from above.
 */
export function expectedCompany(parent: Int32Array, probability: Float32Array, confidence: Float32Array): Float64Array {
  const above = ranking(confidence)
  const upwards = Int32Array.from(parent.keys()).sort((a, b) => (above(a, b) ? 1 : -1))
  const below = new Float64Array(parent.length).fill(1)
  for (const v of upwards) if (parent[v] >= 0) below[parent[v]] += probability[v] * below[v]
  const company = below.slice()
  for (let i = upwards.length - 1; i >= 0; i--) {
    const v = upwards[i]
    const u = parent[v]
    if (u >= 0) company[v] += probability[v] * (company[u] - probability[v] * below[v])
  }
  return company
}
