import { describe, expect, it } from 'vitest'
import { treePartition } from '../../../src/engine/partition/tree-partition.ts'
import { lists } from '../support/data.ts'

/** 0 - 1 - 2   3 - 4, in a row; 2 and 3 are weakly alike. */
const row = lists([
  [[1, 0.9]],
  [
    [0, 0.9],
    [2, 0.8],
  ],
  [
    [1, 0.8],
    [3, 0.3],
  ],
  [
    [4, 0.7],
    [2, 0.3],
  ],
  [[3, 0.7]],
])

describe('tree partition', () => {
  it('lets every vertex flow to its nearest more confident neighbour and cuts below tau', () => {
    const confidence = Float32Array.of(0.9, 0.8, 0.7, 0.6, 0.5)
    const { labels, parent, parentSimilarity } = treePartition(row, confidence, { tau: 0.5 })
    expect([...labels]).toEqual([0, 0, 0, 1, 1])
    expect([...parent]).toEqual([-1, 0, 1, -1, 3])
    expect(parentSimilarity[2]).toBeCloseTo(0.8, 6)
    expect([...treePartition(row, confidence, { tau: 0.2 }).labels]).toEqual([0, 0, 0, 0, 0])
  })

  it('does not replace an edge that tau cuts', () => {
    expect([...treePartition(row, Float32Array.of(5, 4, 3, 2, 1), { tau: 0.85 }).labels]).toEqual([0, 0, 1, 2, 3])
  })

  it('takes tau itself as too weak', () => {
    const pair = lists([[[1, 0.5]], [[0, 0.5]]])
    expect([...treePartition(pair, Float32Array.of(1, 0), { tau: 0.5 }).labels]).toEqual([0, 1])
  })

  it('connects equal confidences by index, or not at all on request', () => {
    const equal = new Float32Array(5).fill(1)
    expect([...treePartition(row, equal, { tau: 0.5 }).labels]).toEqual([0, 0, 0, 1, 1])
    expect([...treePartition(row, equal, { tau: 0.5, ties: 'never' }).labels]).toEqual([0, 1, 2, 3, 4])
  })

  it('keeps several edges a vertex when asked to', () => {
    const triangle = lists([
      [
        [1, 0.9],
        [2, 0.8],
      ],
      [[0, 0.9]],
      [[0, 0.8]],
    ])
    const confidence = Float32Array.of(0, 1, 2)
    expect([...treePartition(triangle, confidence, { tau: 0 }).labels]).toEqual([0, 0, 1])
    expect([...treePartition(triangle, confidence, { tau: 0, maxConnections: 2 }).labels]).toEqual([0, 0, 0])
  })

  it('takes the preferred neighbour first, and leaves a root where tau cuts it', () => {
    const triangle = lists([
      [
        [1, 0.9],
        [2, 0.4],
      ],
      [[0, 0.9]],
      [[0, 0.4]],
    ])
    const confidence = Float32Array.of(0, 1, 2)
    const preferred = Int32Array.of(2, -1, -1)
    expect([...treePartition(triangle, confidence, { tau: 0, preferred }).parent]).toEqual([2, -1, -1])
    expect([...treePartition(triangle, confidence, { tau: 0.5, preferred }).parent]).toEqual([-1, -1, -1])
  })

  it('partitions nothing into nothing', () => {
    const none = { n: 0, k: 1, ids: new Int32Array(0), similarities: new Float32Array(0) }
    expect(treePartition(none, new Float32Array(0), { tau: 0.5 }).labels).toHaveLength(0)
  })

  it('refuses what it cannot order or cut', () => {
    const confidence = new Float32Array(5)
    expect(() => treePartition(row, new Float32Array(2), { tau: 0 })).toThrow(/got 2, expected 5/)
    expect(() => treePartition(row, Float32Array.of(0, Number.NaN, 0, 0, 0), { tau: 0 })).toThrow(/NaN at vertex 1/)
    expect(() => treePartition(row, confidence, { tau: 2 })).toThrow(/tau/)
    expect(() => treePartition(row, confidence, { tau: 0, maxConnections: 0 })).toThrow(/maxConnections/)
  })
})
