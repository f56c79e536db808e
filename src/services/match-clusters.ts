/** How many members of one identity one cluster holds. */
export interface Overlap {
  readonly clusterIndex: number
  readonly identityId: string
  /** Members that people put there, or that follow from what they decided. */
  readonly anchors: number
  readonly members: number
}

/**
 * Matches the clusters of a run to durable identities, one to one: human anchors first, overlap second.
 * A cluster with anchors of several identities goes to the one with most of them; the others keep their own members,
 * for a run never moves what a person placed.
 *
 * @returns identity by cluster index; clusters without a match are left out. Deterministic.
 */
export function matchClusters(overlaps: readonly Overlap[]): Map<number, string> {
  const order = [...overlaps].sort(
    (a, b) =>
      b.anchors - a.anchors ||
      b.members - a.members ||
      a.clusterIndex - b.clusterIndex ||
      (a.identityId < b.identityId ? -1 : 1),
  )
  const identityOf = new Map<number, string>()
  const taken = new Set<string>()
  for (const { clusterIndex, identityId } of order) {
    if (identityOf.has(clusterIndex) || taken.has(identityId)) continue
    identityOf.set(clusterIndex, identityId)
    taken.add(identityId)
  }
  return identityOf
}
