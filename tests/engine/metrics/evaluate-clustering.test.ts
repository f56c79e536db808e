import { describe, expect, it } from 'vitest'
import { contingency } from '../../../src/engine/metrics/contingency.ts'
import { evaluateClustering } from '../../../src/engine/metrics/evaluate-clustering.ts'
import { heldOutScores } from '../../../src/engine/metrics/held-out.ts'
import { geometricF, meanF } from '../../../src/engine/metrics/score.ts'
import { createRng } from '../../../src/engine/rng.ts'

const of = (...values: number[]) => Int32Array.from(values)

describe('clustering scores', () => {
  it('are those of a small case worked out by hand', () => {
    // Clusters {0 1 2} {3 4}, classes {0 1} {2 3 4}: shared pairs 01, 34; predicted 01 02 12 34; true 01 23 24 34.
    const scores = evaluateClustering(of(0, 0, 0, 1, 1), of(0, 0, 1, 1, 1))
    expect(scores.pairwise).toEqual({ precision: 0.5, recall: 0.5, f: 0.5 })
    // Per vertex: precision 2/3 2/3 1/3 1 1, recall 1 1 1/3 2/3 2/3.
    expect(scores.bcubed.precision).toBeCloseTo(11 / 15, 12)
    expect(scores.bcubed.recall).toBeCloseTo(11 / 15, 12)
    // 10 pairs; index 2, expected 4 * 4 / 10, best 4.
    expect(scores.ari).toBeCloseTo((2 - 1.6) / (4 - 1.6), 12)
    expect(scores.purity).toBeCloseTo(4 / 5, 12)
    // Two clusters to name, one vertex to move.
    expect(scores.clicksPerImage).toBeCloseTo(3 / 5, 12)
    expect(scores).toMatchObject({ clusters: 2, classes: 2, n: 5 })
  })

  it('are 1 for the same partition under other numbers', () => {
    const scores = evaluateClustering(of(5, 5, 9, 9, 2), of(0, 0, 1, 1, 7))
    expect(scores.pairwise.f).toBe(1)
    expect(scores.bcubed.f).toBe(1)
    expect(scores.nmi).toBeCloseTo(1, 12)
    expect(scores.nmiGeometric).toBeCloseTo(1, 12)
    expect(scores.ari).toBe(1)
  })

  it('take all singletons as precise and without recall', () => {
    const scores = evaluateClustering(of(0, 1, 2, 3), of(0, 0, 1, 1))
    expect(scores.pairwise).toEqual({ precision: 1, recall: 0, f: 0 })
    expect(scores.bcubed).toEqual({ precision: 1, recall: 0.5, f: 2 / 3 })
    expect(scores.ari).toBe(0)
  })

  it('are perfect where there is nothing to get wrong', () => {
    for (const [predicted, truth] of [
      [of(), of()],
      [of(0), of(3)],
      [of(0, 1), of(1, 0)],
      [of(0, 0), of(1, 1)],
    ]) {
      const scores = evaluateClustering(predicted, truth)
      expect(scores.pairwise.f).toBe(1)
      expect(scores.bcubed.f).toBe(1)
      expect(scores.ari).toBe(1)
      expect(scores.nmi).toBeCloseTo(1, 12)
    }
  })

  it('have no mutual information with a single cluster', () => {
    expect(evaluateClustering(of(0, 0, 0, 0), of(0, 0, 1, 1))).toMatchObject({ nmi: 0, nmiGeometric: 0, ari: 0 })
  })

  it('take noise as singletons and leave unknown classes out', () => {
    expect(evaluateClustering(of(-1, -1, 0, 0), of(0, 0, 1, 1))).toEqual(
      evaluateClustering(of(1, 2, 0, 0), of(0, 0, 1, 1)),
    )
    expect(evaluateClustering(of(0, 0, 0, 1), of(0, 0, -1, 1))).toEqual(evaluateClustering(of(0, 0, 1), of(0, 0, 1)))
  })

  it('refuse labelings of different lengths', () => {
    expect(() => evaluateClustering(of(0), of(0, 1))).toThrow(/got 1, expected 2/)
  })

  it('do not depend on the numbers of clusters or the order of vertices', () => {
    const rng = createRng(3)
    const predicted = Int32Array.from({ length: 200 }, () => rng.int(12))
    const truth = Int32Array.from({ length: 200 }, () => rng.int(9))
    const order = rng.shuffle(Int32Array.from(predicted.keys()))
    const turned = evaluateClustering(
      order.map((v) => 100 - predicted[v]),
      order.map((v) => 3 * truth[v]),
    )
    const plain = evaluateClustering(predicted, truth)
    expect(turned.pairwise).toEqual(plain.pairwise)
    expect(turned.bcubed.f).toBeCloseTo(plain.bcubed.f, 12)
    expect(turned.nmi).toBeCloseTo(plain.nmi, 12)
    expect(turned.ari).toBe(plain.ari)
  })

  it('swap precision and recall when the labelings are swapped', () => {
    const rng = createRng(4)
    const a = Int32Array.from({ length: 100 }, () => rng.int(7))
    const b = Int32Array.from({ length: 100 }, () => rng.int(5))
    const forth = evaluateClustering(a, b)
    const back = evaluateClustering(b, a)
    expect(back.pairwise.precision).toBe(forth.pairwise.recall)
    expect(back.bcubed.precision).toBeCloseTo(forth.bcubed.recall, 12)
    expect(back.ari).toBe(forth.ari)
    expect(back.nmi).toBeCloseTo(forth.nmi, 12)
  })

  it('agree with counting pairs one by one', () => {
    const rng = createRng(5)
    const a = Int32Array.from({ length: 60 }, () => rng.int(6))
    const b = Int32Array.from({ length: 60 }, () => rng.int(8))
    let [shared, predicted, actual] = [0, 0, 0]
    for (let i = 0; i < 60; i++) {
      for (let j = 0; j < i; j++) {
        if (a[i] === a[j]) predicted++
        if (b[i] === b[j]) actual++
        if (a[i] === a[j] && b[i] === b[j]) shared++
      }
    }
    const { pairwise } = evaluateClustering(a, b)
    expect(pairwise.precision).toBe(shared / predicted)
    expect(pairwise.recall).toBe(shared / actual)
  })

  it('are exact in the millions, where products of 32-bit counts would wrap', () => {
    const n = 3_000_000
    const truth = new Int32Array(n)
    const predicted = Int32Array.from({ length: n }, (_, v) => (v < n / 2 ? 0 : 1))
    const { pairwise, bcubed } = evaluateClustering(predicted, truth)
    const half = n / 2
    expect(pairwise.precision).toBe(1)
    expect(pairwise.recall).toBe((2 * half * (half - 1)) / (n * (n - 1)))
    expect(bcubed.recall).toBe(0.5)
    expect(contingency(predicted, truth).cellCount).toEqual(Float64Array.of(half, half))
  })
})

it('one giant cluster beside singletons is nothing by the geometric mean of both F', () => {
  const truth = Int32Array.from({ length: 1000 }, (_, v) => v >> 2)
  const giant = truth.map((_, v) => (v < 500 ? 0 : v))
  const scores = evaluateClustering(giant, truth)
  expect(scores.bcubed.f).toBeGreaterThan(0.5)
  expect(meanF(scores)).toBeGreaterThan(0.25)
  expect(geometricF(scores)).toBeLessThan(0.1)
  expect(geometricF(evaluateClustering(truth, truth))).toBe(1)
  // With no right pair at all it is 0, whatever BCubed says.
  expect(geometricF(evaluateClustering(Int32Array.from(truth.keys()), truth))).toBe(0)
})

describe('held-out scores', () => {
  it('are the plain ones when every class counts', () => {
    const rng = createRng(6)
    const a = Int32Array.from({ length: 90 }, () => rng.int(10))
    const b = Int32Array.from({ length: 90 }, () => rng.int(8))
    const { pairwise, bcubed } = heldOutScores(a, b, () => true)
    const plain = evaluateClustering(a, b)
    expect(pairwise).toEqual(plain.pairwise)
    expect(bcubed.f).toBeCloseTo(plain.bcubed.f, 12)
  })

  it('count the company of other classes against precision', () => {
    // Class 1 is counted; one vertex of class 0 sits in its cluster: of the pairs 12 13 23, only 23 is right.
    const { pairwise, bcubed } = heldOutScores(of(0, 1, 1, 1), of(0, 0, 1, 1), (label) => label === 1)
    expect(pairwise).toMatchObject({ precision: 1 / 3, recall: 1 })
    expect(bcubed).toMatchObject({ precision: 2 / 3, recall: 1 })
  })
})
