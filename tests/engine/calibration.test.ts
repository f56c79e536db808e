import { describe, expect, it } from 'vitest'
import {
  adjustCalibration,
  companyInMerges,
  edgeProbability,
  fitCalibration,
  priorCalibration,
} from '../../src/engine/calibration.ts'
import { knn } from '../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../src/engine/knn/normalize-rows.ts'
import { logistic, logisticRegression } from '../../src/engine/logistic-regression.ts'
import { createRng } from '../../src/engine/rng.ts'
import { blobs } from './support/data.ts'

describe('logistic regression', () => {
  it('finds the weights that made the data', () => {
    const rng = createRng(1)
    const rows = Array.from({ length: 20_000 }, () => [1, rng.normal(), rng.normal()])
    const truths = rows.map(([, a, b]) => (rng.next() < logistic(0.5 + 2 * a - b) ? 1 : 0))
    const [bias, a, b] = logisticRegression(rows, truths, [0, 0, 0])
    expect(bias).toBeCloseTo(0.5, 0)
    expect(a).toBeCloseTo(2, 0)
    expect(b).toBeCloseTo(-1, 0)
  })

  it('stays finite on examples that a line separates', () => {
    const rows = [
      [1, -1],
      [1, -2],
      [1, 1],
      [1, 2],
    ]
    for (const w of logisticRegression(rows, [0, 0, 1, 1], [0.1, 0.1])) expect(Number.isFinite(w)).toBe(true)
  })
})

describe('edge probabilities', () => {
  const load = async () => {
    const { features, labels } = blobs({ classes: 20, each: 8, d: 16, noise: 0.8 })
    const x = normalizeRows(features)
    return { x, labels, lists: await knn(x, 12) }
  }

  it('are right as often as they say', async () => {
    const { lists, labels } = await load()
    const calibration = fitCalibration(lists, labels)
    if (!calibration) throw new Error('the fit must find enough edges of both kinds')
    const probability = edgeProbability(calibration, lists)
    let [expected, actual] = [0, 0]
    for (let v = 0; v < lists.n; v++) {
      for (let e = v * 12; e < v * 12 + 10; e++) {
        expected += probability(v, lists.ids[e], lists.similarities[e], 'any')
        actual += labels[lists.ids[e]] === labels[v] ? 1 : 0
      }
    }
    expect(expected / actual).toBeGreaterThan(0.97)
    expect(expected / actual).toBeLessThan(1.03)
  })

  it('rise with similarity and follow the outcomes of each kind of question', async () => {
    const { lists, labels } = await load()
    const base = fitCalibration(lists, labels)
    if (!base) throw new Error('the fit must find enough edges of both kinds')
    const outcomes = (isSame: (i: number) => boolean) =>
      Array.from({ length: 200 }, (_, i) => ({ probability: 0.5, truth: isSame(i) ? 1 : 0 }))
    const adjusted = adjustCalibration(base, {
      parent: outcomes((i) => i % 10 > 0),
      merge: outcomes((i) => i % 10 === 0),
      company: [],
    })
    const p = edgeProbability(adjusted, lists)
    const [v, u] = [0, lists.ids[0]]
    expect(p(v, u, 0.9, 'any')).toBeGreaterThan(p(v, u, 0.5, 'any'))
    expect(p(v, u, 0.5, 'parent')).toBeGreaterThan(p(v, u, 0.5, 'any'))
    expect(p(v, u, 0.5, 'merge')).toBeLessThan(p(v, u, 0.5, 'any'))
  })

  it('of merges depend on the size of the smaller cluster, and so does the company they bring together', async () => {
    const { lists, labels } = await load()
    const base = fitCalibration(lists, labels)
    if (!base) throw new Error('the fit must find enough edges of both kinds')
    // Small clusters are sound and belong together, large ones are junk.
    const outcomes = (truth: (isSmall: boolean, i: number) => number) =>
      Array.from({ length: 400 }, (_, i) => {
        const isSmall = i % 2 === 0
        return { probability: 0.5, truth: truth(isSmall, i), size: isSmall ? 5 : 40 }
      })
    const adjusted = adjustCalibration(base, {
      parent: [],
      merge: outcomes((isSmall, i) => (i % 10 < 8 === isSmall ? 1 : 0)),
      company: outcomes((isSmall) => (isSmall ? 0.9 : 0.1)),
    })
    const p = edgeProbability(adjusted, lists)
    const [v, u] = [0, lists.ids[0]]
    expect(p(v, u, 0.5, 'merge', 6)).toBeGreaterThan(p(v, u, 0.5, 'merge', 50))
    const sizes = [1, 5, 41]
    const company = companyInMerges(adjusted, Float64Array.of(1, 3, 21), (w) => sizes[w])
    expect(company[0]).toBe(1)
    // Pulled a little towards what the trees said, 3 and 21.
    expect(company[1]).toBeCloseTo(1 + 4 * 0.9, 0)
    expect(company[2]).toBeGreaterThan(1 + 40 * 0.1)
    expect(company[2]).toBeLessThan(7)
    expect(companyInMerges(base, Float64Array.of(3), () => 5)).toEqual(Float64Array.of(3))
  })

  it('are not learnt from too little', async () => {
    const { lists, labels } = await load()
    expect(
      fitCalibration(
        lists,
        labels.map(() => -1),
      ),
    ).toBeUndefined()
    expect(
      fitCalibration(
        lists,
        labels.map(() => 0),
      ),
    ).toBeUndefined()
  })

  it('have a prior without labels: .9 at a typical nearest neighbour', async () => {
    const { x, lists } = await load()
    const prior = priorCalibration(lists, x, 1)
    const nearest = Array.from({ length: lists.n }, (_, v) => lists.similarities[v * 12]).sort((a, b) => a - b)
    expect(edgeProbability(prior, lists)(0, 1, nearest[lists.n >> 1], 'any')).toBeCloseTo(0.9, 5)
    expect(prior.edges).toBe(0)
  })
})
