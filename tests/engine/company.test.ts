import { describe, expect, it } from 'vitest'
import { clusterVertices, encodeModel, evaluateClustering, trainClusteringModel } from '../../src/engine/index.ts'
import { knn } from '../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../src/engine/knn/normalize-rows.ts'
import { heldOutScores } from '../../src/engine/metrics/held-out.ts'
import { asStrangers } from '../../src/engine/metrics/strangers.ts'
import { chooseMethod, labelFreeContender, plainContenders } from '../../src/engine/selection/choose-method.ts'
import { inCompany } from '../../src/engine/selection/company.ts'
import type { Contender } from '../../src/engine/selection/contender.ts'
import type { Labels, Matrix } from '../../src/engine/types.ts'
import { blobs } from './support/data.ts'

/** Many times faster than a matcher on large arrays. */
const isSame = (a?: Float32Array, b?: Float32Array) =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((value, i) => value === b[i])
const of = (...values: number[]) => Int32Array.from(values)

describe('strangers', () => {
  it('are classes of their own above the known ones', () => {
    expect(asStrangers(of(3, -1, 0, -1))).toEqual(of(3, 4, 0, 5))
    const known = of(0, 0, 1)
    expect(asStrangers(known)).toBe(known)
    expect(asStrangers(of(-1, -1))).toEqual(of(0, 1))
  })

  it('by hand: a stranger in a cluster counts against its precision, one elsewhere does not', () => {
    const { pairwise, bcubed } = heldOutScores(of(0, 0, 0, 1), asStrangers(of(0, 0, -1, -1)), (label) => label === 0)
    // Ordered pairs with an end in class 0: two right ones, four with the stranger.
    expect(pairwise.precision).toBeCloseTo(2 / 6)
    expect(bcubed.precision).toBeCloseTo(2 / 3)
    expect(pairwise.recall).toBe(1)
  })
})

describe('company', () => {
  const { features, labels: truth } = blobs({ classes: 30, each: 100, d: 8, seed: 2 })
  const labels = truth.map((label) => (label < 2 ? label : -1))
  const alone = async () => {
    const x = normalizeRows(features)
    const rows = Int32Array.from(labels.keys()).filter((row) => labels[row] >= 0)
    const data = Float32Array.from([...rows].flatMap((row) => [...x.data.subarray(row * 8, row * 8 + 8)]))
    const own = { data, rows: rows.length, cols: 8 }
    return { features: own, labels: rows.map((row) => labels[row]), lists: await knn(own, 10) }
  }

  it('is a sample of at most 1,000 where few are labelled, after the labelled rows, the same for a seed', async () => {
    const known = await alone()
    const first = await inCompany(known, features, labels, 1)
    expect(first?.features.rows).toBe(200 + 1000)
    expect(first?.labels.subarray(0, 200)).toEqual(known.labels)
    expect(first?.labels.subarray(200).every((label) => label === -1)).toBe(true)
    expect(isSame(first?.features.data.subarray(0, 1600), known.features.data)).toBe(true)
    expect(first?.lists.k).toBe(79)
    expect(isSame((await inCompany(known, features, labels, 1))?.features.data, first?.features.data)).toBe(true)
    expect(isSame((await inCompany(known, features, labels, 2))?.features.data, first?.features.data)).toBe(false)
  })

  it('is none where every row is labelled', async () => {
    expect(await inCompany(await alone(), features, truth, 1)).toBeUndefined()
  })
})

describe('going by labels, or by what needs none', () => {
  const { features, labels } = blobs({ classes: 12, each: 6, d: 16, seed: 3 })
  const folds = [0, 3, 6, 9].map((from) => new Set([from, from + 1, from + 2]))
  const set = async () => {
    const x = normalizeRows(features)
    const known = { features: x, labels, lists: await knn(x, 20) }
    return { ...known, alone: known, folds, seed: 1 }
  }
  const gives = (name: string, partition: (fold: number) => Int32Array): Contender => ({
    name,
    isLearned: true,
    settings: [{}],
    partition: async (_, fold) => partition(fold),
  })
  const alone = Int32Array.from(labels.keys())
  const wrongIn = (folds: number[]) => (fold: number) => (folds.includes(fold) ? alone : labels)

  it('takes what labels teach where it is better by more than one standard error', async () => {
    const free = gives('INFOMAP', () => alone)
    const { method } = await chooseMethod(await set(), [gives('HAC', wrongIn([]))], [], {}, { labelFree: free })
    expect(method).toBe('HAC')
  })

  it('does as a run without labels where it is better in one fold of four only, and says so', async () => {
    // Better by 1/4 on average, with a standard error of 1/4.
    const free = gives('INFOMAP', wrongIn([2]))
    const choice = await chooseMethod(await set(), [gives('HAC', wrongIn([]))], [], {}, { labelFree: free })
    expect(choice.method).toBe('INFOMAP')
    expect(choice.explanation).toMatch(
      /INFOMAP as without labels.*labels teach no better within the noise: HAC has 100.0/,
    )
    // Without that rule the better one is taken.
    expect((await chooseMethod(await set(), [gives('HAC', wrongIn([]))])).method).toBe('HAC')
  })

  it('the row of that method is what a run without a model does, whatever was tuned', async () => {
    const all = await set()
    const free = labelFreeContender(all)
    const choice = await chooseMethod(all, plainContenders(all, ['INFOMAP']), [], {}, { labelFree: free })
    const rows = choice.table.filter(({ method }) => method === 'INFOMAP')
    expect(rows).toHaveLength(1)
    expect(rows[0]?.parameters).toEqual({ joinFrom: 40, k: 79 })
  })
})

describe('training in company', () => {
  /** Far apart in the few that are labelled, close together among all. */
  const { features, labels: truth } = blobs({ classes: 40, each: 12, d: 12, noise: 0.45, seed: 5 })
  const labels = truth.map((label) => (label < 6 ? label : -1))
  const parameters = {
    gcnV: { epochs: 1 },
    hidden: 8,
    connectivity: false,
    contenders: ['INFOMAP', 'HAC'],
  }
  const train = (inCompany: boolean, rows: { features: Matrix; labels: Labels } = { features, labels }) =>
    trainClusteringModel({ ...rows, embedderId: 'test', seed: 1, inCompany, parameters })
  const meanF = async (model?: Awaited<ReturnType<typeof train>>['model']) => {
    const { labels: found } = await clusterVertices({ features, method: 'AUTO', model, seed: 1 })
    const { pairwise, bcubed } = evaluateClustering(found, truth)
    return (pairwise.f + bcubed.f) / 2
  }

  it('six identities teach nothing worse than no labels do; without company they do', async () => {
    const without = await meanF()
    const { model, report } = await train(true)
    expect(report).toMatchObject({ images: 72, identities: 6, company: 408 })
    expect(await meanF(model)).toBeGreaterThanOrEqual(without)
    const misled = await train(false)
    expect(misled.report.company).toBe(0)
    expect(await meanF(misled.model)).toBeLessThan(without - 0.1)
    expect(encodeModel((await train(true)).model)).toEqual(encodeModel(model))
  }, 60_000)

  it('is kept with few identities only: sixty keep each other company', async () => {
    const many = blobs({ classes: 62, each: 2, d: 6, seed: 5 })
    const of = async (identities: number) => {
      const known = many.labels.map((label) => (label < identities ? label : -1))
      return (await train(true, { features: many.features, labels: known })).report.company
    }
    expect(await of(59)).toBe(6)
    expect(await of(60)).toBe(0)
  }, 60_000)

  it('changes nothing where every row is labelled', async () => {
    const few = blobs({ classes: 12, each: 6, d: 12, seed: 5 })
    const [with_, without] = [await train(true, few), await train(false, few)]
    expect(encodeModel(with_.model)).toEqual(encodeModel(without.model))
  }, 60_000)
})
