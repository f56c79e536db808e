import { describe, expect, it } from 'vitest'
import {
  type ClusteringModel,
  chooseClusterer,
  clusterVertices,
  embeddingHead,
  embedSamples,
  trainRecognition,
} from '../../../src/engine/index.ts'
import { standInModel } from '../support/stand-in-model.ts'
import { syntheticVectors } from './synthetic-pictures.ts'

/** Ten labelled identities, thirty without labels. */
const { samples, labels: truth } = syntheticVectors(40, 6, 12, 3, 0.5)
const labels = truth.map((label) => (label < 10 ? label : -1))

/** A model whose training thought most of a threshold that merges everything. */
const clustering = (...table: NonNullable<ClusteringModel['choice']>['table']): ClusteringModel => ({
  ...standInModel(12, 'first'),
  choice: { method: table[0].method, parameters: table[0].parameters, rows: 60, table, explanation: '' },
})
const threshold = { method: 'THRESHOLD', parameters: { tau: -1, k: 20 }, score: 1 }
const infomap = { method: 'INFOMAP', parameters: { k: 5, power: 1 }, score: 0.9 }
const gcn = { method: 'GCN_V', parameters: {}, score: 1 }
const learned = { method: 'HAC', parameters: { space: 'learned' }, score: 1 }

const seenHalves: Set<number>[] = []
const steps = {
  trainOn: async (rows: Int32Array) => {
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
  cluster: clusterVertices,
}
const choose = (model: ClusteringModel, some = labels) =>
  chooseClusterer({ samples, labels: some, clustering: model, parameters: {}, seed: 1 }, steps)

describe('choosing what clusters unlabelled samples', () => {
  it('takes what holds on identities that the recognition model has not seen, whatever was best on those that it has', async () => {
    const chosen = await choose(clustering(threshold, infomap, gcn, learned))
    expect(chosen?.method).toBe('INFOMAP')
    // Weights of one space of embeddings are not compared in another.
    expect(chosen?.table.map(({ method }) => method)).toEqual(['INFOMAP', 'THRESHOLD'])
    expect(chosen?.table[0].score).toBeGreaterThan((chosen?.table[1].score as number) + 0.2)
    expect(chosen?.explanation).toMatch(/^INFOMAP clusters labelled identities best .* among 180 unlabelled samples/)
    // Each half has five identities, and no identity is in both.
    expect(seenHalves.map(({ size }) => size)).toEqual([5, 5])
    expect(new Set(seenHalves.flatMap((half) => [...half])).size).toBe(10)
    expect(await choose(clustering(threshold, infomap, gcn, learned))).toEqual(chosen)
  })

  it('chooses nothing among one method, or with too few identities to halve', async () => {
    expect(await choose(clustering(infomap, gcn))).toBeUndefined()
    expect(await choose(standInModel(12, 'first'))).toBeUndefined()
    const few = labels.map((label) => (label < 7 ? label : -1))
    expect(await choose(clustering(threshold, infomap), few)).toBeUndefined()
  })
})
