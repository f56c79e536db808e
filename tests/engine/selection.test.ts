import { describe, expect, it } from 'vitest'
import { clusterVertices, evaluateClustering, trainClusteringModel } from '../../src/engine/index.ts'
import { knn } from '../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../src/engine/knn/normalize-rows.ts'
import { createRng } from '../../src/engine/rng.ts'
import { parametersOf } from '../../src/engine/selection/auto.ts'
import { chooseMethod, plainContenders } from '../../src/engine/selection/choose-method.ts'
import { type Contender, standingOf } from '../../src/engine/selection/contender.ts'
import { identityFolds } from '../../src/engine/selection/identity-folds.ts'
import { blobs } from './support/data.ts'

const { features, labels } = blobs({ classes: 24, each: 10, d: 16, noise: 0.4, seed: 4 })
const { folds } = identityFolds(labels, 0.25, 4, 1)

describe('choosing a method', () => {
  it('holds out whole identities, each once', () => {
    const seen = folds.flatMap((fold) => [...fold])
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length).toBe(24)
  })

  it('many settings gain nothing by luck: each fold is judged with what the others chose', async () => {
    const rng = createRng(9)
    // Partitions without any knowledge: the best of fifty looks better than it is.
    const lucky: Contender = {
      name: 'LUCK',
      settings: Array.from({ length: 50 }, (_, i) => ({ i })),
      partition: (() => {
        const made = new Map<unknown, Promise<Int32Array>>()
        return (setting) => {
          const known = made.get(setting) ?? Promise.resolve(Int32Array.from(labels, () => rng.int(40)))
          made.set(setting, known)
          return known
        }
      })(),
    }
    const { score, tried } = await standingOf(lucky, labels, folds)
    const best = Math.max(...tried.map((row) => row.score))
    const mean = tried.reduce((sum, row) => sum + row.score, 0) / tried.length
    expect(score - mean).toBeLessThan((best - mean) / 2 + 0.01)
  })

  it('takes the best on held-out identities and says so', async () => {
    const x = normalizeRows(features)
    const set = { features: x, labels, lists: await knn(x, 30), folds, seed: 1 }
    const choice = await chooseMethod(set, plainContenders(set, ['INFOMAP', 'THRESHOLD', 'HAC']))
    expect(choice.table.map(({ score }) => score)).toEqual(
      [...choice.table.map(({ score }) => score)].sort((a, b) => b - a),
    )
    const chosen = choice.table.find(({ method }) => method === choice.method)
    // As good as the best within the noise, or the best itself.
    expect(choice.table[0].score - (chosen?.score ?? 0)).toBeLessThan(0.05)
    expect(choice.explanation).toMatch(/held-out identities out of 24.*mean of pairwise and BCubed F/)
  })

  it('without labels takes the method that needs none; with labels measures; with a model asks the model', async () => {
    const free = await clusterVertices({ features, method: 'AUTO', seed: 1 })
    expect(free.parametersChosen.method).toBe('INFOMAP')
    expect(free.explanation).toMatch(/Too few labelled identities/)
    const some = await clusterVertices({ features, method: 'AUTO', labels, seed: 1 })
    expect(some.explanation).toMatch(/Chosen on 24 held-out identities/)
    expect(evaluateClustering(some.labels, labels).bcubed.f).toBeGreaterThan(0.85)
    const { model } = await trainClusteringModel({
      features,
      labels,
      embedderId: 'test',
      seed: 1,
      parameters: { gcnV: { epochs: 3 }, connectivity: false, contenders: ['INFOMAP', 'STRUCTURE'] },
    })
    expect(model.choice?.table.map(({ method }) => method).sort()).toEqual(['GCN_V', 'INFOMAP', 'STRUCTURE'])
    const modelled = await clusterVertices({ features, method: 'AUTO', model, seed: 1 })
    expect(modelled.parametersChosen.method).toBe(model.choice?.method)
    const named = await clusterVertices({ features, method: 'STRUCTURE', model, seed: 1 })
    expect(evaluateClustering(named.labels, labels).bcubed.f).toBeGreaterThan(0.85)
    await expect(clusterVertices({ features, method: 'LTC', model, seed: 1 })).rejects.toThrow(
      /must have learned LTC.*STRUCTURE/,
    )
  }, 120_000)

  it('a number of clusters grows with the rows', () => {
    expect(parametersOf({ parameters: { clusterCount: 20, k: 9 }, rows: 100 }, 250)).toEqual({ clusterCount: 50, k: 9 })
    expect(parametersOf({ parameters: { tau: 0.4 }, rows: 100 }, 250)).toEqual({ tau: 0.4 })
  })
})
