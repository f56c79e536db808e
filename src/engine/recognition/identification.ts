import { EngineError } from '../errors.ts'
import type { Labels, Matrix } from '../types.ts'

export interface IdentificationScores {
  /**
   * Rank-1 identification with distractors, as MegaFace counts it: the share of ordered pairs (i, j) of one identity for which
   * j is nearer to i than every distractor is.
   */
  readonly rank1: number
  /** Share of the pairs of one identity above the threshold that lets through this share of the pairs of two, by share. */
  readonly tarAtFar: Readonly<Record<string, number>>
  /** Share of probes whose nearest other probe is of their identity; distractors do not count. */
  readonly nearest: number
  readonly probes: number
  readonly pairs: number
  readonly distractors: number
}

/**
 * How well embeddings tell identities apart that no training has seen.
 *
 * @param probes float32 [n, d], rows of unit length
 * @param labels int32 [n]
 * @param distractors float32 [m, d], rows of unit length, of other identities; may be empty
 * @param fars shares of pairs of two identities that may pass
 * @throws EngineError BAD_OPTION without a pair of one identity. O(n (n + m) d).
 */
export function identificationScores(
  probes: Matrix,
  labels: Labels,
  distractors: Matrix,
  fars: readonly number[] = [1e-2, 1e-3],
): IdentificationScores {
  const n = probes.rows
  const worst = new Float32Array(n).fill(-Infinity)
  for (let i = 0; i < n; i++) {
    for (let d = 0; d < distractors.rows; d++) worst[i] = Math.max(worst[i], product(probes, i, distractors, d))
  }
  const same: number[] = []
  const other: number[] = []
  let hits = 0
  let pairs = 0
  let nearestHits = 0
  let nearestProbes = 0
  const sizes = new Map<number, number>()
  for (const label of labels) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  for (let i = 0; i < n; i++) {
    let best = -Infinity
    let bestLabel = -1
    for (let j = 0; j < n; j++) {
      if (i === j) continue
      const similarity = product(probes, i, probes, j)
      if (similarity > best) {
        best = similarity
        bestLabel = labels[j]
      }
      if (j > i) (labels[i] === labels[j] ? same : other).push(similarity)
      if (labels[i] !== labels[j]) continue
      pairs++
      if (similarity > worst[i]) hits++
    }
    if ((sizes.get(labels[i]) as number) < 2) continue
    nearestProbes++
    if (bestLabel === labels[i]) nearestHits++
  }
  if (pairs === 0) {
    throw new EngineError('BAD_OPTION', `probes must hold two of one identity: got ${n} probes, all of different ones`)
  }
  const sorted = Float32Array.from(other).sort()
  const tarAtFar = Object.fromEntries(
    fars.map((far) => {
      // The largest threshold at which at most this share of different pairs lies strictly above it.
      const passing = Math.floor(far * sorted.length)
      const threshold = sorted.length > passing ? sorted[sorted.length - 1 - passing] : -Infinity
      return [String(far), same.filter((similarity) => similarity > threshold).length / same.length]
    }),
  )
  return {
    rank1: hits / pairs,
    tarAtFar,
    nearest: nearestHits / nearestProbes,
    probes: n,
    pairs,
    distractors: distractors.rows,
  }
}

function product(a: Matrix, i: number, b: Matrix, j: number): number {
  let sum = 0
  const [x, y] = [i * a.cols, j * b.cols]
  for (let d = 0; d < a.cols; d++) sum += a.data[x + d] * b.data[y + d]
  return sum
}
