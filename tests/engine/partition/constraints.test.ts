import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EngineError } from '../../../src/engine/errors.ts'
import { knn } from '../../../src/engine/knn/knn.ts'
import { constrainedPartition } from '../../../src/engine/partition/constrained-partition.ts'
import { countViolations } from '../../../src/engine/partition/constraint-index.ts'
import { enforceConstraints } from '../../../src/engine/partition/enforce-constraints.ts'
import { denseLabels } from '../../../src/engine/partition/labels.ts'
import { treePartition } from '../../../src/engine/partition/tree-partition.ts'
import { createRng } from '../../../src/engine/rng.ts'
import type { NeighbourLists } from '../../../src/engine/types.ts'
import { blobs, ledger, lists, randomLedger } from '../support/data.ts'

const chain = lists([
  [[1, 0.9]],
  [
    [0, 0.9],
    [2, 0.6],
  ],
  [
    [3, 0.8],
    [1, 0.6],
  ],
  [[2, 0.8]],
])

async function randomGraph(n: number, seed: number): Promise<NeighbourLists> {
  const rng = createRng(seed)
  const data = Float32Array.from({ length: n * 4 }, () => rng.normal())
  return knn({ data, rows: n, cols: 4 }, 6)
}

const anyCase = fc.record({
  n: fc.integer({ min: 2, max: 60 }),
  pairs: fc.integer({ min: 0, max: 40 }),
  seed: fc.nat(1e6),
})

describe('partition under constraints', () => {
  const confidence = Float32Array.of(4, 3, 2, 1)

  it('refuses the weaker edge of two that would bring enemies together', () => {
    const { labels } = constrainedPartition(chain, confidence, { tau: 0 }, ledger({ cannot: [[0, 3]] }))
    expect([...labels]).toEqual([0, 0, 1, 1])
  })

  it('sends a refused vertex to its next candidate', () => {
    const fork = lists([
      [],
      [],
      [
        [0, 0.9],
        [1, 0.5],
      ],
    ])
    const { labels, parent } = constrainedPartition(
      fork,
      confidence.slice(0, 3),
      { tau: 0 },
      ledger({ cannot: [[0, 2]] }),
    )
    expect([...labels]).toEqual([0, 1, 1])
    expect(parent[2]).toBe(1)
  })

  it('joins must-links that no edge connects', () => {
    const { labels } = constrainedPartition(chain, confidence, { tau: 0.7 }, ledger({ must: [[0, 3]] }))
    expect([...labels]).toEqual([0, 0, 0, 0])
  })

  it('keeps excluded vertices alone, whatever links touch them', () => {
    const decided = ledger({ must: [[0, 1]], cannot: [[1, 2]], excluded: [1] })
    const { labels } = constrainedPartition(chain, confidence, { tau: 0 }, decided)
    expect([...labels]).toEqual([0, 1, 2, 2])
  })

  it('names the pairs of a contradiction', () => {
    const decided = ledger({
      must: [
        [0, 1],
        [1, 2],
      ],
      cannot: [[0, 2]],
    })
    const attempt = () => constrainedPartition(chain, confidence, { tau: 0 }, decided)
    expect(attempt).toThrow(EngineError)
    expect(attempt).toThrow(/\(0, 2\)/)
    expect(() => enforceConstraints(new Int32Array(4), chain, decided)).toThrow(/\(0, 2\)/)
  })

  it('refuses vertices that are not there', () => {
    expect(() => constrainedPartition(chain, confidence, { tau: 0 }, ledger({ must: [[0, 9]] }))).toThrow(
      /expected 0 to 3/,
    )
  })

  it('is the plain partition when nothing has been decided, and when nothing decided matters', async () => {
    const { features } = blobs({ classes: 6, each: 10, d: 8 })
    const graph = await knn(features, 9)
    const rng = createRng(1)
    const random = Float32Array.from({ length: graph.n }, () => rng.next())
    const plain = treePartition(graph, random, { tau: 0.5 })
    expect(constrainedPartition(graph, random, { tau: 0.5 }, ledger({}))).toEqual(plain)
    const apart = [...plain.labels.keys()].find((v) => plain.labels[v] !== plain.labels[0]) as number
    const harmless = ledger({ cannot: [[0, apart]] })
    expect(constrainedPartition(graph, random, { tau: 0.5 }, harmless)).toEqual(plain)
  })

  it('never breaks a decision, on any graph and any ledger', async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, async ({ n, pairs, seed }) => {
        const graph = await randomGraph(n, seed)
        const rng = createRng(seed + 1)
        const confidence = Float32Array.from({ length: n }, () => rng.int(10))
        const preferred = Int32Array.from({ length: n }, (_, v) => (rng.int(2) ? -1 : graph.ids[v * graph.k]))
        const decided = randomLedger(n, pairs, seed)
        const options = { tau: -0.2, maxConnections: 1 + rng.int(3), preferred: rng.int(2) ? preferred : undefined }
        const { labels, parent } = constrainedPartition(graph, confidence, options, decided)
        expect(countViolations(labels, decided)).toBe(0)
        for (let v = 0; v < n; v++) if (parent[v] >= 0) expect(labels[parent[v]]).toBe(labels[v])
      }),
      { numRuns: 150 },
    )
  })
})

describe('constraints enforced on any partition', () => {
  it('removes the weakest edge between two enemies', () => {
    const labels = enforceConstraints(Int32Array.of(0, 0, 0, 0), chain, ledger({ cannot: [[0, 3]] }))
    expect([...labels]).toEqual([0, 0, 1, 1])
  })

  it('keeps pieces that no edge connects together', () => {
    const loose = lists([[[1, 0.9]], [[0, 0.9]], [], []])
    const labels = enforceConstraints(Int32Array.of(0, 0, 0, 0), loose, ledger({ cannot: [[0, 1]] }))
    expect(labels[2]).toBe(labels[3])
    expect(labels[0]).not.toBe(labels[1])
  })

  it('leaves a partition alone that honours everything', () => {
    const labels = Int32Array.of(3, 3, 1, 1)
    expect([...enforceConstraints(labels, chain, ledger({ must: [[0, 1]], cannot: [[1, 2]] }))]).toEqual([0, 0, 1, 1])
    expect([...labels]).toEqual([3, 3, 1, 1])
  })

  it('never breaks a decision and changes nothing the second time, on any graph, ledger and partition', async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, fc.integer({ min: 1, max: 8 }), async ({ n, pairs, seed }, clusters) => {
        const graph = await randomGraph(n, seed)
        const rng = createRng(seed + 2)
        const labels = Int32Array.from({ length: n }, () => rng.int(clusters + 1) - 1)
        const decided = randomLedger(n, pairs, seed)
        const once = enforceConstraints(labels, graph, decided)
        expect(countViolations(once, decided)).toBe(0)
        expect(enforceConstraints(once, graph, decided)).toEqual(once)
        expect(denseLabels(once).labels).toEqual(once)
      }),
      { numRuns: 150 },
    )
  })
})
