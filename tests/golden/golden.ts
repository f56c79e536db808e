import { existsSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { WeightArray, WeightArrays } from '../../src/engine/gcn/parameters.ts'
import type { Matrix, NeighbourLists } from '../../src/engine/types.ts'

const FOLDER = new URL('../../../shared/reference/golden/', import.meta.url)

/** The reference values lie beside the repository; without them these tests are skipped. */
export const hasGolden = existsSync(new URL('input.json', FOLDER))
if (!hasGolden) console.warn('golden values of the reference implementation are absent: their tests are skipped')

// biome-ignore lint/suspicious/noExplicitAny: the shape is whatever the reference wrote
export function golden(name: string): any {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'))
}

export function matrix(rows: number[][]): Matrix {
  return { data: Float32Array.from(rows.flat()), rows: rows.length, cols: rows[0].length }
}

/** Reference lists hold the vertex itself; ours do not. */
export function withoutSelf(nbrs: number[][], dists: number[][]): NeighbourLists {
  const n = nbrs.length
  const k = nbrs[0].length - 1
  const ids = new Int32Array(n * k).fill(-1)
  const similarities = new Float32Array(n * k)
  for (let v = 0; v < n; v++) {
    const others = nbrs[v].map((id, rank) => ({ id, similarity: 1 - dists[v][rank] })).filter(({ id }) => id !== v)
    others.slice(0, k).forEach(({ id, similarity }, rank) => {
      ids[v * k + rank] = id
      similarities[v * k + rank] = similarity
    })
  }
  return { n, k, ids, similarities }
}

/** Weights of the reference, [out, in] in linear layers, under our names and [in, out]. */
export function weightsOf(reference: Record<string, number[][] | number[]>): WeightArrays {
  const names: Record<string, string> = {
    'classifier.0.weight': 'hidden.weight',
    'classifier.0.bias': 'hidden.bias',
    'classifier.1.weight': 'hidden.slope',
    'classifier.2.weight': 'output.weight',
    'classifier.2.bias': 'output.bias',
  }
  const weights: Record<string, WeightArray> = {}
  for (const [name, value] of Object.entries(reference)) {
    const isTransposed = name === 'classifier.0.weight' || name === 'classifier.2.weight'
    weights[names[name] ?? name] = array(isTransposed ? transposed(value as number[][]) : value)
  }
  return weights
}

function array(value: number[][] | number[]): WeightArray {
  const isMatrix = Array.isArray(value[0])
  const shape = isMatrix ? [value.length, (value[0] as number[]).length] : [value.length]
  return { shape, data: Float32Array.from(value.flat()) }
}

const transposed = (m: number[][]) => m[0].map((_, c) => m.map((row) => row[c]))

/** Largest difference, relative to the largest expected value. */
export function expectClose(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = 'values',
): void {
  expect(got.length, what).toBe(expected.length)
  let worst = 0
  let scale = 1e-12
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(got[i] - expected[i]))
    scale = Math.max(scale, Math.abs(expected[i]))
  }
  expect(worst / scale, what).toBeLessThanOrEqual(tolerance)
}

/** Numbers of clusters are free; who is with whom is not. */
export function samePartition(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false
  const forth = new Map<number, number>()
  const back = new Map<number, number>()
  for (let i = 0; i < a.length; i++) {
    if ((forth.get(a[i]) ?? b[i]) !== b[i] || (back.get(b[i]) ?? a[i]) !== a[i]) return false
    forth.set(a[i], b[i])
    back.set(b[i], a[i])
  }
  return true
}
