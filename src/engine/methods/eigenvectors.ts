import { Matrix as Dense, EigenvalueDecomposition } from 'ml-matrix'
import { throwIfAborted } from '../errors.ts'
import { nextTurn } from '../next-turn.ts'
import type { Control, CsrGraph, Rng } from '../types.ts'

const SPARE = 16
const DEGREE = 16
const MAX_ROUNDS = 40
const TOLERANCE = 1e-5

/**
 * Eigenvectors of the largest eigenvalues of a symmetric sparse matrix whose spectrum lies in [-1, 1], by subspace iteration with
 * Chebyshev filters: multiple eigenvalues, as of a graph in several parts, are all found.
 *
 * Source: [ZHOU06]. The small eigenproblem of each round is ml-matrix's.
 *
 * @returns float64 [n * count], row i the coordinates of vertex i, largest eigenvalue first
 */
export async function topEigenvectors(
  graph: CsrGraph,
  count: number,
  rng: Rng,
  { signal, onProgress }: Control = {},
): Promise<Float64Array> {
  const { n } = graph
  const width = Math.min(n, count + SPARE)
  let basis: Float64Array = Float64Array.from({ length: n * width }, () => rng.normal())
  orthonormalise(basis, n, width)
  let values = new Float64Array(width)
  let bound = 0
  for (let round = 0; round < MAX_ROUNDS; round++) {
    await nextTurn()
    throwIfAborted(signal)
    onProgress?.({ phase: 'eigenvectors', completed: round, total: MAX_ROUNDS })
    basis = await filter(graph, basis, width, -1, bound, signal)
    orthonormalise(basis, n, width)
    const image = multiply(graph, basis, width)
    const projected = innerProducts(basis, image, n, width)
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(projected, { assumeSymmetric: true })
    const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b] - realEigenvalues[a])
    basis = rotate(basis, eigenvectorMatrix, order, n, width)
    const next = Float64Array.from(order, (i) => realEigenvalues[i])
    const moved = Math.max(...next.subarray(0, count).map((value, i) => Math.abs(value - values[i])))
    values = next
    // Everything below the last wanted value is damped.
    bound = Math.min(0.999, values[width - 1])
    if (round > 0 && moved < TOLERANCE) break
  }
  const vectors = new Float64Array(n * count)
  for (let v = 0; v < n; v++) for (let j = 0; j < count; j++) vectors[v * count + j] = basis[v * width + j]
  return vectors
}

/** Chebyshev polynomial that is at most 1 on [low, high] and grows fast above. */
async function filter(
  graph: CsrGraph,
  basis: Float64Array,
  width: number,
  low: number,
  high: number,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const centre = (high + low) / 2
  const half = (high - low) / 2
  let before = basis
  let now = multiply(graph, basis, width)
  for (let i = 0; i < now.length; i++) now[i] = (now[i] - centre * basis[i]) / half
  for (let degree = 2; degree <= DEGREE; degree++) {
    await nextTurn()
    throwIfAborted(signal)
    const next = multiply(graph, now, width)
    for (let i = 0; i < next.length; i++) next[i] = (2 / half) * (next[i] - centre * now[i]) - before[i]
    before = now
    now = next
  }
  return now
}

function multiply({ n, offsets, targets, weights }: CsrGraph, x: Float64Array, width: number): Float64Array {
  const out = new Float64Array(n * width)
  for (let v = 0; v < n; v++) {
    const to = v * width
    for (let e = offsets[v]; e < offsets[v + 1]; e++) {
      const from = targets[e] * width
      const w = weights[e]
      for (let j = 0; j < width; j++) out[to + j] += w * x[from + j]
    }
  }
  return out
}

/** Columns by modified Gram-Schmidt, twice for accuracy. */
function orthonormalise(basis: Float64Array, n: number, width: number): void {
  const columns = Array.from({ length: width }, (_, j) =>
    Float64Array.from({ length: n }, (_, v) => basis[v * width + j]),
  )
  for (let j = 0; j < width; j++) {
    const column = columns[j]
    for (let pass = 0; pass < 2; pass++) {
      for (let i = 0; i < j; i++) {
        const other = columns[i]
        let dot = 0
        for (let v = 0; v < n; v++) dot += column[v] * other[v]
        for (let v = 0; v < n; v++) column[v] -= dot * other[v]
      }
    }
    let norm = 0
    for (const value of column) norm += value * value
    norm = Math.sqrt(norm) || 1
    for (let v = 0; v < n; v++) column[v] /= norm
  }
  for (let v = 0; v < n; v++) for (let j = 0; j < width; j++) basis[v * width + j] = columns[j][v]
}

function innerProducts(a: Float64Array, b: Float64Array, n: number, width: number): Dense {
  const out = Dense.zeros(width, width)
  for (let v = 0; v < n; v++) {
    for (let i = 0; i < width; i++) {
      const value = a[v * width + i]
      for (let j = i; j < width; j++) out.set(i, j, out.get(i, j) + value * b[v * width + j])
    }
  }
  for (let i = 0; i < width; i++) for (let j = 0; j < i; j++) out.set(i, j, out.get(j, i))
  return out
}

function rotate(basis: Float64Array, vectors: Dense, order: readonly number[], n: number, width: number): Float64Array {
  const out = new Float64Array(n * width)
  const turned = order.map((from) => Float64Array.from({ length: width }, (_, i) => vectors.get(i, from)))
  for (let v = 0; v < n; v++) {
    for (let j = 0; j < width; j++) {
      let sum = 0
      for (let i = 0; i < width; i++) sum += basis[v * width + i] * turned[j][i]
      out[v * width + j] = sum
    }
  }
  return out
}
