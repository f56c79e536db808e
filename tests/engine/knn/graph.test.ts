import { describe, expect, it } from 'vitest'
import { affinityGraph } from '../../../src/engine/knn/graph.ts'
import { normalizeRows } from '../../../src/engine/knn/normalize-rows.ts'
import { shorterLists } from '../../../src/engine/knn/sub-lists.ts'
import { lists } from '../support/data.ts'

const graph = lists([
  [
    [1, 0.5],
    [2, 0.25],
  ],
  [[0, 0.5]],
  [[1, -0.2]],
])

describe('the affinity graph', () => {
  it('takes the larger direction, adds itself, and divides rows by their sums', () => {
    const { offsets, targets, weights } = affinityGraph(graph)
    expect([...offsets]).toEqual([0, 3, 5, 7])
    expect([...targets]).toEqual([0, 1, 2, 0, 1, 0, 2])
    const expected = [1 / 1.75, 0.5 / 1.75, 0.25 / 1.75, 0.5 / 1.5, 1 / 1.5, 0.25 / 1.25, 1 / 1.25]
    weights.forEach((weight, e) => {
      expect(weight).toBeCloseTo(expected[e], 6)
    })
  })

  it('keeps weaker edges when asked to, and leaves rows alone whose sum is not positive', () => {
    const { targets, weights } = affinityGraph(graph, { minSimilarity: -1, selfLoops: false })
    expect([...targets]).toEqual([1, 2, 0, 2, 0, 1])
    expect(weights[4] + weights[5]).toBeCloseTo(1, 6)
    const negative = lists([[[1, -0.5]], [[0, -0.5]]])
    const plain = affinityGraph(negative, { minSimilarity: -1, selfLoops: false })
    expect([...plain.weights]).toEqual([-0.5, -0.5])
  })

  it('gives every vertex at least itself', () => {
    expect([...affinityGraph(lists([[], []])).weights]).toEqual([1, 1])
  })
})

describe('rows', () => {
  it('become unit vectors; those that are stay as they are', () => {
    const x = { data: Float32Array.of(3, 4, 0, 1), rows: 2, cols: 2 }
    const once = normalizeRows(x)
    expect([...once.data].map((value) => value.toFixed(4))).toEqual(['0.6000', '0.8000', '0.0000', '1.0000'])
    expect(normalizeRows(once)).toEqual(once)
    expect([...x.data]).toEqual([3, 4, 0, 1])
  })

  it('without direction or with NaN are refused by number', () => {
    const row = (...values: number[]) => normalizeRows({ data: Float32Array.of(1, 0, ...values), rows: 2, cols: 2 })
    expect(() => row(0, 0)).toThrow(/row 1/)
    expect(() => row(Number.NaN, 1)).toThrow(expect.objectContaining({ code: 'NOT_FINITE' }))
    expect(() => row(Number.POSITIVE_INFINITY, 1)).toThrow(/row 1/)
  })
})

describe('shorter lists', () => {
  it('are the head of longer ones', () => {
    expect([...shorterLists(graph, 1).ids]).toEqual([1, 0, 1])
    expect(shorterLists(graph, 5)).toBe(graph)
  })
})
