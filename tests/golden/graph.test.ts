import { describe, expect, it } from 'vitest'
import {
  averageConfidence,
  centreConfidence,
  densityConfidence,
  neighbourConfidence,
} from '../../src/engine/gcn/confidence.ts'
import { affinityGraph } from '../../src/engine/knn/graph.ts'
import { knn } from '../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../src/engine/knn/normalize-rows.ts'
import { evaluateClustering } from '../../src/engine/metrics/evaluate-clustering.ts'
import { treePartition } from '../../src/engine/partition/tree-partition.ts'
import { expectClose, golden, hasGolden, matrix, samePartition, withoutSelf } from './golden.ts'

describe.skipIf(!hasGolden)('against the released code', () => {
  const input = hasGolden ? golden('input') : undefined
  const reference = hasGolden ? golden('knn') : undefined
  const lists = hasGolden ? withoutSelf(reference.nbrs, reference.dists) : undefined!
  const labels = hasGolden ? Int32Array.from(input.labels) : undefined!
  const x = hasGolden ? normalizeRows(matrix(input.features)) : undefined!

  it('finds the same neighbours at the same distances', async () => {
    const found = await knn(x, lists.k)
    expect(found.ids).toEqual(lists.ids)
    expectClose(found.similarities, lists.similarities, 1e-6)
  })

  it('builds the same symmetric, self-looped, row-normalised affinity graph', () => {
    const adjacency = golden('adjacency')
    for (const [name, rowNormalise] of [
      ['symmetric_max_plus_self_loop', false],
      ['row_normalised', true],
    ] as const) {
      const graph = affinityGraph(lists, { rowNormalise })
      expect([...graph.offsets]).toEqual(adjacency[name].indptr)
      expect([...graph.targets]).toEqual(adjacency[name].indices)
      expectClose(graph.weights, adjacency[name].data, 1e-5, name)
    }
  })

  it('gives the same confidence in every design', () => {
    const expected = golden('confidence')
    expectClose(neighbourConfidence(lists, labels), expected.s_nbr, 1e-5, 's_nbr')
    expectClose(neighbourConfidence(lists, labels, 'list-length'), expected.s_nbr_size_norm, 1e-5, 's_nbr_size_norm')
    expectClose(centreConfidence(x, labels), expected.s_center, 1e-5, 's_center')
    for (const radius of [0.3, 0.5]) {
      const count = densityConfidence(lists, { kind: 'count', radius })
      const weight = densityConfidence(lists, { kind: 'weight', radius })
      expectClose(count, expected[`density_count_r${radius}`], 0, `count ${radius}`)
      expectClose(weight, expected[`density_weighted_r${radius}`], 1e-5, `weight ${radius}`)
    }
    // The released s_avg shrinks each class as it goes: only the first vertex of a class sees all others.
    const average = averageConfidence(x, labels)
    const firsts = [...new Set(labels)].map((label) => labels.indexOf(label))
    const multi = firsts.filter((v) => labels.filter((label) => label === labels[v]).length > 1)
    expectClose(
      multi.map((v) => average[v]),
      multi.map((v) => expected.s_avg[v]),
      1e-5,
      's_avg of first vertices',
    )
  })

  it('chooses the same peaks and cuts them into the same partitions', () => {
    const { results } = golden('peaks')
    const confidences = { ...golden('confidence'), gcnv_output: golden('gcnv').output }
    for (const name of ['s_nbr', 's_center', 'density_weighted_r0.5', 'density_count_r0.5', 'gcnv_output']) {
      const confidence = Float32Array.from(confidences[name] as number[])
      const whole = treePartition(lists, confidence, { tau: -1, ties: 'never' })
      expect([...whole.parent], name).toEqual(results[name].peak)
      for (const [tau, expected] of Object.entries(results[name].labels)) {
        const { labels: got } = treePartition(lists, confidence, { tau: Number(tau), ties: 'never' })
        expect(samePartition(got, expected as number[]), `${name} tau ${tau}`).toBe(true)
      }
    }
    const confidence = Float32Array.from(confidences.s_nbr as number[])
    for (const [tau, expected] of Object.entries(results.s_nbr_max_conn3.labels)) {
      const { labels: got } = treePartition(lists, confidence, { tau: Number(tau), ties: 'never', maxConnections: 3 })
      expect(samePartition(got, expected as number[]), `M = 3, tau ${tau}`).toBe(true)
    }
  })

  it('scores partitions the same', () => {
    const { gt, results } = golden('metrics')
    // biome-ignore lint/suspicious/noExplicitAny: the shape is whatever the reference wrote
    for (const [name, entry] of Object.entries<any>(results)) {
      const got = evaluateClustering(Int32Array.from(entry.labels), Int32Array.from(gt))
      const { pairwise, bcubed } = got
      // Where the released code divides zero by zero, ours is decided: precision 1.
      const pairs = name === 'all_singletons' ? [1, 0, 0] : entry.pairwise
      expectClose([pairwise.precision, pairwise.recall, pairwise.f], pairs, 1e-6, `${name} pairwise`)
      expectClose([bcubed.precision, bcubed.recall, bcubed.f], entry.bcubed, 1e-6, `${name} bcubed`)
      expect(Math.abs(got.nmi - entry.nmi), `${name} nmi`).toBeLessThan(1e-6)
      expect(got.clusters).toBe(entry.clusters)
    }
  })
})
