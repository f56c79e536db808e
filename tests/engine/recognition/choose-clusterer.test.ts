import { describe, expect, it } from 'vitest'
import {
  chooseAcrossSpaces,
  chooseClusterer,
  clusterVertices,
  embeddingHead,
  embedSamples,
  evaluateClustering,
  type Matrix,
  normalizeRows,
  type SpaceToMeasureIn,
  selectSamples,
  trainRecognition,
} from '../../../src/engine/index.ts'
import { syntheticVectors } from './synthetic-pictures.ts'

/** Ten labelled identities, thirty without labels. */
const { samples, labels: truth } = syntheticVectors(40, 6, 12, 3, 0.5)
const labels = truth.map((label) => (label < 10 ? label : -1))

const contenders = ['INFOMAP', 'THRESHOLD', 'HAC']
const seenHalves: Set<number>[] = []
let measured: readonly SpaceToMeasureIn[] = []
const steps: Parameters<typeof chooseClusterer>[1] = {
  trainOn: async (rows) => {
    seenHalves.push(new Set(rows.map((row) => truth[row])))
    const { model } = await trainRecognition({
      samples,
      tasks: [{ name: 'half', rows, labels: rows.map((row) => labels[row]) }],
      shape: embeddingHead(12, 12, 24),
      recipe: { steps: 20, batchSize: 24 },
      seed: 1,
    })
    return model
  },
  embed: embedSamples,
  choose: (input, control) => {
    measured = input.spaces
    return chooseAcrossSpaces({ ...input, contenders }, control)
  },
}
const choose = (some = labels) => chooseClusterer({ samples, labels: some, seed: 1 }, steps)

describe('choosing what clusters unlabelled samples', () => {
  it('measures on identities that the recognition model has not seen, among the unlabelled samples', async () => {
    const chosen = await choose()
    // Each half has five identities, and no identity is in both.
    const [first, second] = seenHalves as [Set<number>, Set<number>]
    expect([first.size, second.size]).toEqual([5, 5])
    expect(new Set([...first, ...second]).size).toBe(10)
    // What the first model has learnt from is measured by the second one, among all that has no label.
    const identities = measured.map(({ labels }) => new Set(labels.filter((label) => label >= 0)))
    expect(identities).toEqual([second, first])
    expect(measured.map(({ labels }) => labels.filter((label) => label < 0).length)).toEqual([180, 180])
    expect(chosen?.explanation).toMatch(
      /^On embeddings that have not learnt .* 10 held-out identities out of 10, among 360 rows without/,
    )
    expect(await choose()).toEqual(chosen)
  }, 60_000)

  it('chooses nothing with too few identities to halve', async () => {
    expect(await choose(labels.map((label) => (label < 7 ? label : -1)))).toBeUndefined()
  })
})

describe('choosing across spaces', () => {
  /** Two spaces of the same vectors, turned against each other. */
  const spaces = [0, 5].map((from): SpaceToMeasureIn => {
    const rows = Int32Array.from(truth.keys()).filter(
      (row) => truth[row] >= 10 || (truth[row] >= from && truth[row] < from + 5),
    )
    const { data, shape, count } = selectSamples(samples, rows)
    const sign = from === 0 ? 1 : -1
    const features: Matrix = {
      data: Float32Array.from(data, (value) => sign * value),
      rows: count,
      cols: shape[0] as number,
    }
    return { features, labels: rows.map((row) => (truth[row] < 10 ? truth[row] : -1)) }
  })

  it('gives a method and parameters that do well on what has no label', async () => {
    const choice = await chooseAcrossSpaces({ spaces, contenders, seed: 1 })
    const [{ features }] = spaces as [SpaceToMeasureIn, SpaceToMeasureIn]
    const { labels: found } = await clusterVertices({
      features: normalizeRows(features),
      method: choice.method,
      parameters: choice.parameters,
      seed: 1,
    })
    const all = Int32Array.from(truth.keys()).filter((row) => truth[row] >= 10 || truth[row] < 5)
    const { pairwise, bcubed } = evaluateClustering(
      found,
      all.map((row) => truth[row]),
    )
    expect((pairwise.f + bcubed.f) / 2).toBeGreaterThan(0.9)
    expect(choice.table.map(({ method }) => method).sort()).toEqual(['HAC', 'INFOMAP', 'THRESHOLD'])
    // A threshold that merges everything keeps five identities whole, and swallows thirty others: it must not pass for good.
    const threshold = choice.table.find(({ method }) => method === 'THRESHOLD')
    expect(threshold?.parameters.tau).toBeGreaterThan(0.4)
  })

  it('a space that knows no identity of another is judged by its own rows only', async () => {
    // Junk in the second space takes nothing from what the first one shows of its own identities.
    const [first, second] = spaces as [SpaceToMeasureIn, SpaceToMeasureIn]
    const junk = {
      ...second,
      features: { ...second.features, data: second.features.data.map((_, i) => Math.sin(i * i)) },
    }
    const both = await chooseAcrossSpaces({ spaces: [first, second], contenders, seed: 1 })
    const spoilt = await chooseAcrossSpaces({ spaces: [first, junk], contenders, seed: 1 })
    const best = (choice: typeof both) => Math.max(...choice.table.map(({ score }) => score))
    expect(best(spoilt)).toBeGreaterThan(0.4)
    expect(best(spoilt)).toBeLessThan(best(both) - 0.2)
  })
})
