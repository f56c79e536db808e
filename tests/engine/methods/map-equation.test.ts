import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { edgeGraph } from '../../../src/engine/methods/edge-graph.ts'
import { mapEquation, minimiseMapEquation } from '../../../src/engine/methods/map-equation.ts'
import type { CsrGraph } from '../../../src/engine/types.ts'

/** A symmetric graph from a dense matrix of weights. */
function graphOf(weights: number[][]): CsrGraph {
  const offsets = [0]
  const targets: number[] = []
  const values: number[] = []
  for (const row of weights) {
    for (const [u, w] of row.entries()) {
      if (w <= 0) continue
      targets.push(u)
      values.push(w)
    }
    offsets.push(targets.length)
  }
  return {
    n: weights.length,
    offsets: Float64Array.from(offsets),
    targets: Int32Array.from(targets),
    weights: Float32Array.from(values),
  }
}

const small = fc
  .integer({ min: 2, max: 7 })
  .chain((n) =>
    fc
      .array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5 })), { minLength: n * n, maxLength: n * n })
      .map((w) =>
        graphOf(
          Array.from({ length: n }, (_, v) =>
            Array.from({ length: n }, (_, u) => (u === v ? 0 : w[Math.min(u, v) * n + Math.max(u, v)])),
          ),
        ),
      ),
  )

/** Every way to partition n vertices, as labels. */
function* partitions(n: number, labels: number[] = []): Generator<number[]> {
  if (labels.length === n) yield labels
  else for (let c = 0; c <= Math.max(-1, ...labels) + 1; c++) yield* partitions(n, [...labels, c])
}

/** The map equation written out, eq. 1 of [ROSVALL08]. */
function oracle({ n, offsets, targets, weights }: CsrGraph, labels: ArrayLike<number>): number {
  const total = weights.reduce((a, b) => a + b, 0)
  if (total === 0) return 0
  const plogp = (x: number) => (x > 1e-15 ? x * Math.log2(x) : 0)
  const [p, q, inside] = [0, 1, 2].map(() => new Map<number, number>())
  let bits = 0
  for (let v = 0; v < n; v++) {
    let strength = 0
    for (let e = offsets[v]; e < offsets[v + 1]; e++) {
      strength += weights[e] / total
      if (labels[targets[e]] !== labels[v]) q.set(labels[v], (q.get(labels[v]) ?? 0) + weights[e] / total)
    }
    p.set(v, strength)
    inside.set(labels[v], (inside.get(labels[v]) ?? 0) + strength)
    bits -= plogp(strength)
  }
  for (const [m, flow] of inside) bits += plogp(flow + (q.get(m) ?? 0)) - 2 * plogp(q.get(m) ?? 0)
  return bits + plogp([...q.values()].reduce((a, b) => a + b, 0))
}

describe('map equation', () => {
  it('is eq. 1, and the search finds the best of all partitions of small graphs', async () => {
    let optimal = 0
    let tried = 0
    await fc.assert(
      fc.asyncProperty(small, fc.nat(), async (graph, seed) => {
        const found = await minimiseMapEquation(graph, { seed, trials: 3 })
        expect(found.codelength).toBeCloseTo(oracle(graph, found.labels), 9)
        expect(mapEquation(graph, found.labels)).toBeCloseTo(found.codelength, 9)
        expect(found.codelength).toBeLessThanOrEqual(found.oneLevelCodelength + 1e-9)
        const best = Math.min(...[...partitions(graph.n)].map((labels) => oracle(graph, labels)))
        tried++
        if (found.codelength < best + 1e-9) optimal++
      }),
      { numRuns: 150, seed: 1 },
    )
    // A greedy search may stop in a local optimum, but seldom on seven vertices.
    expect(optimal / tried).toBeGreaterThan(0.95)
  })

  it('finds two cliques joined by one edge, and leaves isolated vertices alone', async () => {
    const weights = Array.from({ length: 11 }, (_, v) =>
      Array.from({ length: 11 }, (_, u) =>
        u === v || v === 10 || u === 10 ? 0 : v < 5 === u < 5 ? 1 : v + u === 9 && v < 5 && u === 5 ? 1 : 0,
      ),
    )
    weights[4][5] = weights[5][4] = 1
    const { labels, modules } = await minimiseMapEquation(graphOf(weights), { seed: 7 })
    expect([...labels]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
    expect(modules).toBe(3)
  })

  it('is the same for a seed, makes fewer modules for a longer Markov time, and can be stopped', async () => {
    const n = 400
    const ids = new Int32Array(n * 6)
    for (let v = 0; v < n; v++) for (let i = 0; i < 6; i++) ids[v * 6 + i] = (v + 1 + ((v * 7 + i * 13) % 9)) % n
    const graph = edgeGraph({ n, k: 6, ids, similarities: new Float32Array(n * 6) }, new Float32Array(n * 6).fill(1))
    const first = await minimiseMapEquation(graph, { seed: 3 })
    expect(await minimiseMapEquation(graph, { seed: 3 })).toEqual(first)
    const longer = await minimiseMapEquation(graph, { seed: 3, markovTime: 4 })
    expect(longer.modules).toBeLessThan(first.modules)
    await expect(minimiseMapEquation(graph, { seed: 3, markovTime: 0 })).rejects.toThrow(
      /markovTime must be a number above 0: got 0/,
    )
    const big = 60_000
    const far = new Int32Array(big * 40)
    for (let e = 0; e < far.length; e++) far[e] = (Math.imul(e, 2654435761) >>> 0) % big
    const large = edgeGraph(
      { n: big, k: 40, ids: far, similarities: new Float32Array(0) },
      new Float32Array(big * 40).fill(1),
    )
    const stopped = minimiseMapEquation(large, { seed: 1 }, { signal: AbortSignal.timeout(20) })
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('edge weights of both lists are added', () => {
    const lists = { n: 3, k: 2, ids: Int32Array.from([1, 2, 0, -1, 1, 0]), similarities: new Float32Array(6) }
    const graph = edgeGraph(lists, Float32Array.from([1, 2, 4, 9, 8, 16]))
    expect([...graph.offsets]).toEqual([0, 2, 4, 6])
    expect([...graph.targets]).toEqual([1, 2, 0, 2, 0, 1])
    expect([...graph.weights]).toEqual([5, 18, 5, 8, 18, 8])
  })
})
