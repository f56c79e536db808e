import { describe, expect, it } from 'vitest'
import { estimateQuality } from '../../src/engine/review/audit-quality.ts'
import { incompleteBeta, shareInterval, shareLowerBound } from '../../src/engine/review/binomial-interval.ts'
import { chooseThreshold } from '../../src/engine/review/choose-threshold.ts'
import { fitProbabilityMap, mapProbability } from '../../src/engine/review/probability-map.ts'
import { edgePriority, mergePriority } from '../../src/engine/review/question-priority.ts'
import { createRng } from '../../src/engine/rng.ts'
import type { Rng } from '../../src/engine/types.ts'

describe('exact intervals of a share', () => {
  it('by hand: the rule of three, and the published interval of 4 in 20', () => {
    expect(shareLowerBound(299, 299, 0.05)).toBeCloseTo(0.05 ** (1 / 299), 12)
    const { low, high } = shareInterval(4, 20)
    expect(low).toBeCloseTo(0.0573, 4)
    expect(high).toBeCloseTo(0.4366, 4)
    expect(shareInterval(0, 0)).toEqual({ value: 0.5, low: 0, high: 1, sampleSize: 0 })
    expect(shareInterval(0, 10).low).toBe(0)
    expect(shareInterval(10, 10).high).toBe(1)
  })

  it('the beta function agrees with the binomial sum', () => {
    const n = 12
    for (const p of [0.1, 0.5, 0.83]) {
      for (let k = 1; k <= n; k++) {
        let tail = 0
        for (let i = k; i <= n; i++) {
          let ways = 1
          for (let j = 0; j < i; j++) ways = (ways * (n - j)) / (j + 1)
          tail += ways * p ** i * (1 - p) ** (n - i)
        }
        expect(incompleteBeta(p, k, n - k + 1)).toBeCloseTo(tail, 10)
      }
    }
  })
})

describe('probabilities learnt from answers', () => {
  const answersOf = (rng: Rng, count: number, truth: (p: number) => number) =>
    Array.from({ length: count }, () => {
      const probability = rng.next()
      return { probability, isSame: rng.next() < truth(probability) }
    })

  it.each([
    ['PLATT', 150],
    ['ISOTONIC', 2000],
  ] as const)('%s brings an overconfident model closer to the truth', (method, count) => {
    const truth = (p: number) => 0.2 + 0.4 * p
    const map = fitProbabilityMap(answersOf(createRng(3), count, truth))
    expect(map.method).toBe(method)
    let [before, after] = [0, 0]
    for (let p = 0.05; p < 1; p += 0.05) {
      before += Math.abs(p - truth(p))
      after += Math.abs(mapProbability(map, p) - truth(p))
    }
    expect(after).toBeLessThan(before / 2)
  })

  it('never turn the order of two questions round, and change nothing on a handful of answers', () => {
    for (const count of [19, 60, 400]) {
      // The worst case: answers that say the opposite of the model.
      const map = fitProbabilityMap(answersOf(createRng(count), count, (p) => 1 - p))
      if (count < 20) expect(map.method).toBe('NONE')
      for (let p = 0; p < 1; p += 0.01)
        expect(mapProbability(map, p + 0.01)).toBeGreaterThanOrEqual(mapProbability(map, p))
    }
  })
})

describe('the threshold for accepting links without a person', () => {
  /** A population whose links are right with probability `truth(p)`, and uniform samples of it. */
  function world(rng: Rng, size: number, truth: (p: number) => number) {
    const population = Float64Array.from({ length: size }, () => rng.next() ** 0.25)
    const isRight = Array.from(population, (p) => rng.next() < truth(p))
    const precisionAt = (threshold: number) => {
      let [right, all] = [0, 0]
      for (const [i, p] of population.entries()) {
        if (p < threshold) continue
        all++
        if (isRight[i]) right++
      }
      return right / all
    }
    const draw = (count: number) =>
      Array.from({ length: count }, () => {
        const i = rng.int(size)
        return { probability: population[i] as number, isSame: isRight[i] as boolean }
      })
    return { population, precisionAt, draw }
  }

  const delta = 0.1
  /** Share of trials in which a threshold was chosen that misses the target. */
  function failures(truth: (p: number) => number, target: number, labels: number, trials: number, seed: number) {
    const rng = createRng(seed)
    const { population, precisionAt, draw } = world(rng, 4000, truth)
    let [chosen, failed, naive] = [0, 0, 0]
    for (let trial = 0; trial < trials; trial++) {
      const sample = draw(labels)
      const { threshold } = chooseThreshold(sample, population, target, delta)
      if (threshold !== null) {
        chosen++
        if (precisionAt(threshold) < target) failed++
      }
      // What people do without a bound: the lowest threshold at which the sample itself reaches the target.
      const cuts = [0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95]
      const cut = cuts.find((at) => {
        const above = sample.filter(({ probability }) => probability >= at)
        return above.length > 0 && above.filter(({ isSame }) => isSame).length / above.length >= target
      })
      if (cut !== undefined && precisionAt(cut) < target) naive++
    }
    return { chosen: chosen / trials, failed: failed / trials, naive: naive / trials }
  }

  // With 600 trials and a true rate of delta = .1, more than .137 has a chance of 1 in 1,000.
  const MOST = delta + 3.1 * Math.sqrt((delta * (1 - delta)) / 600)

  it.each([
    ['a model that is always just short of the target', () => 0.899, 0.9, 400],
    ['one that is right a little more often the surer it is', (p: number) => 0.8 + 0.11 * p, 0.9, 400],
    ['one that knows', (p: number) => p ** 0.3, 0.95, 500],
    ['one that is overconfident', (p: number) => 0.6 + 0.3 * p ** 4, 0.88, 300],
    ['few labels', (p: number) => 0.7 + 0.25 * p, 0.9, 60],
  ])('is wrong no more often than delta says: %s', (_, truth, target, labels) => {
    const { failed } = failures(truth, target, labels, 600, 11)
    expect(failed).toBeLessThanOrEqual(MOST)
  })

  it('without the bound, the same worlds are got wrong far more often than delta', () => {
    expect(failures((p) => 0.8 + 0.11 * p, 0.9, 400, 200, 11).naive).toBeGreaterThan(2 * delta)
  })

  it('finds a threshold where there is one: most of the time with enough labels', () => {
    expect(failures((p) => Math.min(0.999, 0.5 + 0.55 * p), 0.95, 1200, 100, 5).chosen).toBeGreaterThan(0.9)
  })

  it('says how many labels are missing, and with so many more it succeeds', () => {
    const rng = createRng(9)
    const { population, draw } = world(rng, 4000, (p) => Math.min(0.999, 0.6 + 0.42 * p))
    const first = chooseThreshold(draw(60), population, 0.98, 0.05)
    expect(first.threshold).toBeNull()
    expect(first.acceptedShare).toBe(0)
    const needed = first.labelsNeeded as number
    expect(needed).toBeGreaterThan(60)
    let passed = 0
    for (let trial = 0; trial < 40; trial++) {
      if (chooseThreshold(draw(2 * (60 + needed)), population, 0.98, 0.05).threshold !== null) passed++
    }
    expect(passed).toBeGreaterThan(20)
  })

  it('edge cases: no links, no labels, all the same probability', () => {
    expect(chooseThreshold([], new Float64Array(0), 0.9, 0.05)).toMatchObject({ threshold: null, labelsUsed: 0 })
    const same = Array.from({ length: 500 }, () => ({ probability: 0.7, isSame: true }))
    expect(chooseThreshold(same, new Float64Array(50).fill(0.7), 0.95, 0.05)).toMatchObject({
      threshold: 0.7,
      acceptedShare: 1,
    })
  })
})

describe('quality from audit answers', () => {
  it('by hand', () => {
    const { precision, recall } = estimateQuality({
      within: [true, true, true, false],
      across: [
        { isSame: true, weight: 1 },
        { isSame: false, weight: 3 },
      ],
      withinPairs: 100,
      acrossPairs: 100,
    })
    expect(precision.value).toBe(0.75)
    expect(recall.value).toBeCloseTo(75 / (75 + 25), 10)
    expect(recall.low).toBeLessThan(recall.value)
    expect(recall.high).toBeGreaterThan(recall.value)
  })

  it('the intervals hold the true figures at least 95 % of the time', () => {
    const rng = createRng(21)
    const [withinPairs, acrossPairs, precision, missed] = [5000, 20_000, 0.83, 0.06]
    const trueRecall = (precision * withinPairs) / (precision * withinPairs + missed * acrossPairs)
    let [held, heldRecall] = [0, 0]
    for (let trial = 0; trial < 400; trial++) {
      const quality = estimateQuality({
        within: Array.from({ length: 60 }, () => rng.next() < precision),
        across: Array.from({ length: 60 }, () => ({ isSame: rng.next() < missed, weight: 1 })),
        withinPairs,
        acrossPairs,
      })
      if (quality.precision.low <= precision && precision <= quality.precision.high) held++
      if (quality.recall.low <= trueRecall && trueRecall <= quality.recall.high) heldRecall++
    }
    expect(held / 400).toBeGreaterThan(0.93)
    expect(heldRecall / 400).toBeGreaterThan(0.93)
  })
})

describe('priorities in expected wrong pairs', () => {
  it('by hand: a split takes apart what is across, a merge counts what it mixes', () => {
    expect(edgePriority(0.25, 3, 10)).toBeCloseTo(0.75 * 3 * 7, 12)
    // Two pure clusters of 4 and 5: 20 missed pairs to be gained.
    expect(mergePriority(0.5, 4, 5, 4, 5)).toBeCloseTo(10, 12)
    // Of two clusters of ten, half of each belongs: 25 pairs gained, 75 spoiled.
    expect(mergePriority(0.9, 5, 5, 10, 10)).toBe(0)
  })

  it('are the expected change of wrong pairs, as drawing worlds shows', () => {
    const rng = createRng(31)
    // Left: 6 of 8 belong to the end's identity; right: all 5. If the ends are one, 30 pairs are right and 10 wrong.
    const p = 0.3
    let removed = 0
    const worlds = 40_000
    for (let w = 0; w < worlds; w++) if (rng.next() < p) removed += 6 * 5 - 2 * 5
    expect(mergePriority(p, 6, 5, 8, 5)).toBeCloseTo(removed / worlds, 0)
  })
})
