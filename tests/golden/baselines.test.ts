import { describe, expect, it } from 'vitest'
import { knn } from '../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../src/engine/knn/normalize-rows.ts'
import { selectRows } from '../../src/engine/knn/sub-lists.ts'
import { aro, rankOrderDistances } from '../../src/engine/methods/aro.ts'
import { chineseWhispers } from '../../src/engine/methods/chinese-whispers.ts'
import { dbscan } from '../../src/engine/methods/dbscan.ts'
import { dynamicThreshold } from '../../src/engine/methods/dynamic-threshold.ts'
import { lloyd } from '../../src/engine/methods/k-means.ts'
import { agglomerate, cutAt } from '../../src/engine/methods/linkage.ts'
import { listPairs } from '../../src/engine/methods/list-pairs.ts'
import { meanShift } from '../../src/engine/methods/mean-shift.ts'
import { threshold } from '../../src/engine/methods/threshold.ts'
import { denseLabels } from '../../src/engine/partition/labels.ts'
import { expectClose, golden, hasGolden, matrix, samePartition, withoutSelf } from './golden.ts'

describe.skipIf(!hasGolden)('baselines against the released code', () => {
  const reference = hasGolden ? golden('baselines') : undefined!
  const x = hasGolden ? normalizeRows(matrix(golden('input').features)) : undefined!
  const known = hasGolden ? golden('knn') : undefined!
  const lists = hasGolden ? withoutSelf(known.nbrs, known.dists) : undefined!
  const singletons = (labels: ArrayLike<number>) => denseLabels(Int32Array.from(labels)).labels
  const decode = (method: typeof aro, parameters: object) =>
    method.decode({ lists, features: x, parameters: parameters as never, seed: 1 }).then(({ labels }) => labels)

  it('ARO: the same distances and the same partitions', async () => {
    const distances = await rankOrderDistances(lists)
    const expected = reference.aro.rank_order_distance.flatMap((row: number[]) => row.slice(1))
    expectClose(distances, expected, 1e-6, 'distance')
    for (const [maxDistance, labels] of Object.entries(reference.aro.labels)) {
      expect(samePartition(await decode(aro, { maxDistance: Number(maxDistance) }), labels as number[])).toBe(true)
    }
  })

  it('Chinese Whispers in fixed order: the same partitions', async () => {
    for (const [name, { labels_aligned }] of Object.entries(reference.chinese_whispers_fixed_order) as [
      string,
      { labels_aligned?: number[] },
    ][]) {
      const [, tau, iterations] = /^th([\d.]+)_iters(\d+)$/.exec(name) ?? []
      if (!tau) continue
      const labels = await decode(chineseWhispers, { tau: Number(tau), iterations: Number(iterations), order: 'fixed' })
      expect(samePartition(labels, labels_aligned as number[]), name).toBe(true)
    }
  })

  it('CDP: the same pairs, and the same partitions', () => {
    const { pairs, scores } = reference.cdp['filter_knns_th0.3']
    const found = listPairs(lists, (e) => lists.similarities[e] > 0.3)
    const key = (a: number, b: number) => `${Math.min(a, b)}-${Math.max(a, b)}`
    expect(new Set(Array.from(found.left, (a, i) => key(a, found.right[i])))).toEqual(
      new Set(pairs.map(([a, b]: number[]) => key(a, b))),
    )
    expect(found.scores.length).toBe(scores.length)
    for (const [name, { labels }] of Object.entries(reference.cdp) as [string, { labels?: number[] }][]) {
      const [, tau, step, maxSize] = /^th([\d.]+)_step([\d.]+)_max(\d+)$/.exec(name) ?? []
      if (!labels || !tau) continue
      const wanted = listPairs(lists, (e) => lists.similarities[e] > Number(tau))
      const got = dynamicThreshold(lists.n, wanted, { maxSize: Number(maxSize), step: Number(step) })
      expect(samePartition(singletons(got), singletons(labels)), name).toBe(true)
    }
  })

  it('dynamic threshold with pooled scores: the same partitions', () => {
    const { edges, scores, results } = reference.dynamic_threshold_pooling
    const n = lists.n
    const slots: { u: number; score: number }[][] = Array.from({ length: n }, () => [])
    for (const [i, [v, u]] of edges.entries()) slots[v].push({ u, score: scores[i] })
    const k = Math.max(...slots.map((row) => row.length))
    const ids = new Int32Array(n * k).fill(-1)
    const similarities = new Float32Array(n * k)
    for (const [v, row] of slots.entries()) {
      for (const [i, { u, score }] of row.entries()) {
        ids[v * k + i] = u
        similarities[v * k + i] = score
      }
    }
    for (const [name, { labels }] of Object.entries(results) as [string, { labels: number[] }][]) {
      const [, pool, step, maxSize] = /^(avg|max)_step([\d.]+)_max(\d+)$/.exec(name) ?? []
      const pairs = listPairs({ n, k, ids, similarities }, () => true, pool === 'avg' ? 'mean' : 'max')
      const got = dynamicThreshold(n, pairs, { maxSize: Number(maxSize), step: Number(step) })
      expect(samePartition(singletons(got), singletons(labels)), name).toBe(true)
    }
  })

  it('single and average linkage: the same heights and cuts', async () => {
    const single = await agglomerate(x, 'single')
    const euclid = Float32Array.from(single.similarity, (s) => Math.sqrt(2 - 2 * s))
    expectClose(euclid, reference.hac_single.merge_heights, 1e-5, 'single')
    for (const [cut, labels] of Object.entries(reference.hac_single.labels)) {
      expect(samePartition(cutAt(single, 1 - Number(cut) ** 2 / 2), labels as number[]), `single ${cut}`).toBe(true)
    }
    const average = await agglomerate(x, 'average')
    expectClose(
      Float32Array.from(average.similarity, (s) => 1 - s),
      reference.hac_average_cosine.merge_heights,
      1e-5,
      'average',
    )
    for (const [cut, labels] of Object.entries(reference.hac_average_cosine.labels)) {
      expect(samePartition(cutAt(average, 1 - Number(cut)), labels as number[]), `average ${cut}`).toBe(true)
    }
  })

  it('DBSCAN on directed lists: the same partitions', () => {
    for (const [name, labels] of Object.entries(reference.knn_dbscan.labels)) {
      const [, eps, minPoints] = /^eps([\d.]+)_min(\d+)$/.exec(name) ?? []
      const got = dbscan(lists, Number(eps), Number(minPoints))
      expect(samePartition(singletons(got), singletons(labels as number[])), name).toBe(true)
    }
  })

  it('mean shift: the same partitions', async () => {
    for (const [bandwidth, labels] of Object.entries(reference.meanshift.labels)) {
      expect(samePartition(await meanShift(x, Number(bandwidth)), labels as number[]), bandwidth).toBe(true)
    }
  })

  it('K-means from given centres: the same labels, centres and inertia', async () => {
    const { k, labels, inertia, centers } = reference.kmeans_fixed_init
    const found = await lloyd(
      x,
      selectRows(
        x,
        Int32Array.from({ length: k }, (_, i) => i),
      ),
    )
    expect([...found.labels]).toEqual(labels)
    expect(found.inertia).toBeCloseTo(inertia, 3)
    expectClose(found.centres.data, centers.flat(), 1e-5, 'centres')
  })

  it('cosine threshold: the same partitions', async () => {
    const all = await knn(x, lists.k)
    for (const [tau, labels] of Object.entries(reference.cosine_cc)) {
      const got = await threshold.decode({ lists: all, features: x, parameters: { tau: Number(tau) }, seed: 1 })
      expect(samePartition(got.labels, labels as number[]), tau).toBe(true)
    }
  })
})
