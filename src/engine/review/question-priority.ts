/**
 * The one currency of the review queue: wrong pairs that asking is expected to remove. Splits and merges are comparable in
 * it, and questions whose answer would change little come last, however uncertain they are.
 */

/**
 * Of asking about a tree edge: (1 - p) s (S - s). If it is wrong, all pairs across it are.
 *
 * @param probability that the edge is right, 0..1
 * @param subtreeSize s: vertices that would leave
 * @param clusterSize S
 */
export function edgePriority(probability: number, subtreeSize: number, clusterSize: number): number {
  return (1 - probability) * subtreeSize * (clusterSize - subtreeSize)
}

/**
 * Of asking whether two clusters are one: p (2 a b - |A| |B|), at least 0. If they are, a b of the |A| |B| pairs across are
 * right and no longer missed, and the others become wrong: an impure cluster must be cleaned before it is worth merging.
 *
 * @param probability that the ends of the best edge are one identity, 0..1
 * @param leftCompany a: members of the one cluster expected to share the identity of its end
 * @param rightCompany b
 * @param leftSize |A|
 * @param rightSize |B|
 */
export function mergePriority(
  probability: number,
  leftCompany: number,
  rightCompany: number,
  leftSize: number,
  rightSize: number,
): number {
  return probability * Math.max(0, 2 * leftCompany * rightCompany - leftSize * rightSize)
}
