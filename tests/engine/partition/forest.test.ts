import { describe, expect, it } from 'vitest'
import { knn } from '../../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../../src/engine/knn/normalize-rows.ts'
import { clusterForest } from '../../../src/engine/partition/forest.ts'
import { denseLabels } from '../../../src/engine/partition/labels.ts'
import { mergeCandidates } from '../../../src/engine/partition/merge-candidates.ts'
import { createRng } from '../../../src/engine/rng.ts'
import { blobs, ledger, lists } from '../support/data.ts'

/** Unit vectors in the plane, by angle. */
function plane(...degrees: number[]) {
  const data = Float32Array.from(degrees.flatMap((a) => [Math.cos((a * Math.PI) / 180), Math.sin((a * Math.PI) / 180)]))
  return { data, rows: degrees.length, cols: 2 }
}

describe('the forest of a partition', () => {
  it('hangs each vertex on its most similar more confident neighbour in the cluster', () => {
    const graph = lists([
      [[1, 0.9]],
      [
        [0, 0.9],
        [2, 0.8],
      ],
      [
        [1, 0.8],
        [3, 0.7],
      ],
      [[2, 0.7]],
    ])
    const forest = clusterForest(Int32Array.of(0, 0, 0, 1), graph, Float32Array.of(4, 3, 2, 1), plane(0, 10, 20, 30))
    expect([...forest.parent]).toEqual([-1, 0, 1, -1])
    expect([...forest.subtreeSize]).toEqual([3, 2, 1, 1])
    expect([...forest.clusterSizes]).toEqual([3, 1])
    expect([...forest.roots]).toEqual([0, 3])
    expect(forest.parentSimilarity[2]).toBeCloseTo(Math.cos(Math.PI / 18), 6)
    expect(forest.parentSimilarity[0]).toBe(0)
  })

  it('hangs a vertex without such a neighbour on one that lists it, else on the most similar member', () => {
    const graph = lists([[[1, 0.9]], [], []])
    const forest = clusterForest(Int32Array.of(0, 0, 0), graph, Float32Array.of(3, 2, 1), plane(0, 40, 50))
    expect([...forest.parent]).toEqual([-1, 0, 1])
  })

  it('takes the choice of the method where it holds', () => {
    const graph = lists([
      [],
      [[0, 0.9]],
      [
        [1, 0.9],
        [0, 0.8],
      ],
    ])
    const chosen = Int32Array.of(-1, 2, 0)
    const forest = clusterForest(Int32Array.of(0, 0, 0), graph, Float32Array.of(3, 2, 1), plane(0, 1, 2), chosen)
    expect([...forest.parent]).toEqual([-1, 0, 0])
  })

  it('is one tree a cluster for any partition and confidence', async () => {
    const { features } = blobs({ classes: 5, each: 12, d: 6 })
    const x = normalizeRows(features)
    const graph = await knn(x, 4)
    for (let seed = 0; seed < 20; seed++) {
      const rng = createRng(seed)
      const { labels, count } = denseLabels(Int32Array.from({ length: 60 }, () => rng.int(9)))
      const confidence = Float32Array.from({ length: 60 }, () => rng.int(12))
      const { parent, roots, subtreeSize, clusterSizes } = clusterForest(labels, graph, confidence, x)
      expect(clusterSizes.length).toBe(count)
      for (let v = 0; v < 60; v++) {
        let at = v
        for (let steps = 0; parent[at] >= 0 && steps <= 60; steps++) {
          expect(labels[parent[at]]).toBe(labels[v])
          at = parent[at]
        }
        expect(at).toBe(roots[labels[v]])
      }
      for (let c = 0; c < count; c++) expect(subtreeSize[roots[c]]).toBe(clusterSizes[c])
    }
  })
})

describe('merge candidates', () => {
  const graph = lists([
    [[1, 0.9]],
    [
      [0, 0.9],
      [2, 0.5],
    ],
    [
      [3, 0.9],
      [1, 0.5],
    ],
    [
      [2, 0.9],
      [4, 0.8],
    ],
    [[3, 0.8]],
  ])
  const labels = Int32Array.of(0, 0, 1, 1, 2)
  /** Members of every vertex's cluster, all of one identity for sure. */
  const company = Float64Array.of(2, 2, 2, 2, 1)
  const confidence = Float32Array.of(5, 4, 3, 2, 1)
  const bySimilarity = (_v: number, _u: number, similarity: number) => similarity

  it('are the best edge of each pair of clusters, by expected wrong pairs', () => {
    const found = mergeCandidates(labels, company, graph, confidence, bySimilarity)
    expect(found.count).toBe(2)
    // 0.5 * 2 * 2 before 0.8 * 2 * 1.
    expect([...found.left]).toEqual([0, 1])
    expect([...found.right]).toEqual([1, 2])
    expect([...found.child]).toEqual([2, 4])
    expect([...found.parent]).toEqual([1, 3])
    expect([...found.priority].map((p) => p.toFixed(2))).toEqual(['2.00', '1.60'])
  })

  it('count a junk cluster for little, however large', () => {
    const junk = Float64Array.of(1.1, 1.1, 2, 2, 1)
    const found = mergeCandidates(labels, junk, graph, confidence, bySimilarity)
    expect([...found.left]).toEqual([1, 0])
    expect([...found.priority].map((p) => p.toFixed(2))).toEqual(['1.60', '0.20'])
  })

  it('leave out what people have decided and who is excluded', () => {
    const decided = ledger({ cannot: [[0, 3]], excluded: [4] })
    expect(mergeCandidates(labels, company, graph, confidence, bySimilarity, decided).count).toBe(0)
  })

  it('stop at the limits', () => {
    expect(mergeCandidates(labels, company, graph, confidence, bySimilarity, undefined, { limit: 1 }).count).toBe(1)
  })
})
