import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { bootstrapScores } from '../../src/engine/evaluation.ts'
import {
  type ClusteringModel,
  clusterMethods,
  clusterVertices,
  countViolations,
  decodeModel,
  encodeModel,
  evaluateClustering,
  evaluateModel,
  type TrainingOutput,
  trainClusteringModel,
} from '../../src/engine/index.ts'
import { blobs, ledger, randomLedger } from './support/data.ts'

const train = blobs({ classes: 24, each: 8, d: 16, noise: 0.45, seed: 1 })
const test = blobs({ classes: 20, each: 8, d: 16, noise: 0.45, seed: 2 })
const quick = {
  hidden: 32,
  folds: 2,
  gcnV: { epochs: 8 },
  gcnE: { epochs: 2, batchesAnEpoch: 6 },
  contenders: ['INFOMAP'],
}

let output: TrainingOutput
let model: ClusteringModel
let everyModel: ClusteringModel
beforeAll(async () => {
  output = await trainClusteringModel({ ...train, embedderId: 'test', seed: 1, parameters: quick })
  model = output.model
})

/** A model that every method can use. */
const trainEverything = async () => {
  const contenders = clusterMethods()
  const parameters = { ...quick, folds: 1, contenders }
  return (await trainClusteringModel({ ...train, embedderId: 'test', seed: 1, parameters })).model
}

describe('training', () => {
  it('chooses graph, neighbours and thresholds on held-out identities, and reports the curves', () => {
    const { report, lossCurve } = output
    expect(report).toMatchObject({ images: 192, identities: 24, heldOutIdentities: 12 })
    expect(report.curves.raw.length).toBeGreaterThan(20)
    expect(report.explanation).toMatch(/held-out identities/)
    expect(lossCurve).toHaveLength(8)
    expect(lossCurve[0].heldOutLoss).toBeGreaterThan(0)
    expect(model.heldOut.gcnVE).toBeGreaterThanOrEqual(model.heldOut.gcnV)
    expect(model.calibration.edges).toBeGreaterThan(0)
  })

  it('is the same for the same seed', async () => {
    const again = await trainClusteringModel({ ...train, embedderId: 'test', seed: 1, parameters: quick })
    expect(encodeModel(again.model)).toEqual(encodeModel(model))
  })

  it('ignores rows without a label', async () => {
    const { features, labels } = train
    const extra = { data: Float32Array.of(...features.data, ...new Float32Array(16).fill(1)), rows: 193, cols: 16 }
    const input = {
      features: extra,
      labels: Int32Array.of(...labels, -1),
      embedderId: 'test',
      seed: 1,
      parameters: quick,
    }
    expect((await trainClusteringModel(input)).model).toEqual(model)
  })

  it('goes on from earlier weights, of the same embedder only', async () => {
    const input = { ...train, embedderId: 'test', seed: 2, parameters: quick, fromModel: model }
    expect((await trainClusteringModel(input)).lossCurve[0].loss).toBeLessThan(output.lossCurve[0].loss)
    await expect(trainClusteringModel({ ...input, embedderId: 'other' })).rejects.toMatchObject({ code: 'BAD_WEIGHTS' })
  })

  it('says what it needs when there is too little', async () => {
    const few = { ...train, labels: train.labels.map((label) => (label < 3 ? label : -1)) }
    await expect(trainClusteringModel({ ...few, embedderId: 'test', seed: 1 })).rejects.toThrow(
      /at least 4 identities.*got 3/,
    )
    const short = { ...train, labels: train.labels.slice(1) }
    await expect(trainClusteringModel({ ...short, embedderId: 'test', seed: 1 })).rejects.toThrow(
      /got 191, expected 192/,
    )
  })

  it('leaves no tensor behind, also when cancelled', async () => {
    const before = tf.memory().numTensors
    await trainClusteringModel({ ...train, embedderId: 'test', seed: 1, parameters: quick })
    const stop = new AbortController()
    const onProgress = ({ phase }: { phase: string }) => phase === 'train_gcn_v' && stop.abort()
    const cancelled = trainClusteringModel(
      { ...train, embedderId: 'test', seed: 1, parameters: quick },
      { signal: stop.signal, onProgress },
    )
    await expect(cancelled).rejects.toMatchObject({ code: 'ABORTED' })
    expect(tf.memory().numTensors).toBe(before)
  })
})

describe('clustering', () => {
  it.each([
    ['GCN_V', 0.6],
    ['GCN_VE', 0.6],
    ['THRESHOLD', 0.5],
  ] as const)('by %s finds classes that the training has not seen', async (method, least) => {
    const result = await clusterVertices({ ...test, labels: undefined, method, model, seed: 1 })
    const { pairwise, bcubed } = evaluateClustering(result.labels, test.labels)
    expect((pairwise.f + bcubed.f) / 2).toBeGreaterThan(least)
    expect(result.explanation.length).toBeGreaterThan(20)
    expect(result.graph.edges).toBeGreaterThan(0)
    for (let v = 0; v < test.labels.length; v++) {
      const p = result.parentProbability[v]
      expect(p >= 0 && p <= 1).toBe(true)
      if (result.parent[v] < 0) expect(result.roots[result.labels[v]]).toBe(v)
    }
  })

  it('by cells says what share of the neighbours it found, and without is exact', async () => {
    // As many rows as several cells hold: 64 rows a cell, one neighbouring cell looked at.
    const { features } = blobs({ classes: 60, each: 12, d: 16, noise: 1.2 })
    const input = { features, method: 'THRESHOLD', seed: 1 }
    const [exact, few, all] = await Promise.all(
      [undefined, 1, 1000].map((probes) => clusterVertices({ ...input, parameters: { k: 20, probes } })),
    )
    expect(exact.graph.recall).toBe(1)
    expect(exact.explanation).not.toContain('recall')
    expect(few.graph.recall).toBeGreaterThan(0.1)
    expect(few.graph.recall).toBeLessThan(0.9)
    expect(few.explanation).toContain(`1 probes: recall ${few.graph.recall.toFixed(3)}`)
    expect(all.graph.recall).toBe(1)
    expect(all.labels).toEqual(exact.labels)
    await expect(clusterVertices({ ...input, parameters: { probes: 0 } })).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })

  it('by every method honours any ledger and gives the same twice', async () => {
    const decided = randomLedger(test.labels.length, 60, 3)
    everyModel = await trainEverything()
    for (const method of clusterMethods()) {
      const run = () =>
        clusterVertices({
          features: test.features,
          method,
          model: everyModel,
          constraints: decided,
          seed: 1,
          parameters: { clusterCount: 20 },
        })
      const result = await run()
      expect(countViolations(result.labels, decided), method).toBe(0)
      const { phases: _, ...same } = await run()
      expect(result, method).toMatchObject(same)
    }
  }, 180_000)

  it('takes the model from its bytes', async () => {
    const input = { features: test.features, method: 'GCN_V', seed: 1 }
    const copy = decodeModel(encodeModel(model))
    expect((await clusterVertices({ ...input, model: copy })).labels).toEqual(
      (await clusterVertices({ ...input, model })).labels,
    )
  })

  it('does not merge what people have put apart, nor ask about it', async () => {
    const { labels, mergeCandidates } = await clusterVertices({
      features: test.features,
      method: 'GCN_V',
      model,
      constraints: ledger({ cannot: [[0, 20]], must: [[0, 1]] }),
      seed: 1,
    })
    expect(labels[0]).toBe(labels[1])
    expect(labels[0]).not.toBe(labels[20])
    for (let i = 0; i < mergeCandidates.count; i++) {
      const pair = [mergeCandidates.left[i], mergeCandidates.right[i]]
      expect(pair.includes(labels[0]) && pair.includes(labels[20])).toBe(false)
    }
  })

  it('measures phases by the clock of the caller', async () => {
    let ticks = 0
    const { phases } = await clusterVertices(
      { features: test.features, method: 'THRESHOLD', seed: 1 },
      { now: () => 1000 * ticks++, rss: () => 4096 },
    )
    expect(phases.map(({ name }) => name)).toEqual(['normalize', 'knn', 'threshold', 'review_forest'])
    for (const phase of phases) expect(phase).toMatchObject({ seconds: 1, peakRssBytes: 4096 })
  })

  it('works on one vertex and on none', async () => {
    for (const rows of [0, 1, 2]) {
      const features = { data: new Float32Array(rows * 16).fill(1), rows, cols: 16 }
      for (const method of clusterMethods()) {
        expect((await clusterVertices({ features, method, model: everyModel, seed: 1 })).labels).toHaveLength(rows)
      }
    }
  })

  it('refuses what it cannot do, with a remedy', async () => {
    const { features } = test
    const attempt = (input: object) => clusterVertices({ features, method: 'GCN_V', seed: 1, ...input })
    await expect(attempt({})).rejects.toThrow(/GCN_V needs a trained model.*train one/)
    await expect(attempt({ method: 'MAGIC' })).rejects.toThrow(/one of AUTO, GCN_V, GCN_VE, .*got MAGIC/)
    await expect(attempt({ model, embedderId: 'clip' })).rejects.toMatchObject({ code: 'BAD_WEIGHTS' })
    await expect(attempt({ model, parameters: { k: 0 } })).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await expect(attempt({ model, parameters: { tau: 3 } })).rejects.toMatchObject({ code: 'BAD_OPTION' })
    await expect(attempt({ model, parameters: { graph: 'rebuilt', maxConnections: 0 } })).rejects.toMatchObject({
      code: 'BAD_OPTION',
    })
    const constraints = ledger({ must: [[0, 1]], cannot: [[1, 0]] })
    await expect(attempt({ model, constraints })).rejects.toMatchObject({ code: 'CONTRADICTION' })
    await expect(
      clusterVertices({ features, method: 'GCN_V', model, seed: 1 }, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

describe('evaluation', () => {
  it('gives both F with intervals over identities', async () => {
    const { pairwiseF, bcubedF, scores } = await evaluateModel({ model, ...test })
    expect(pairwiseF.value).toBe(scores.pairwise.f)
    for (const { value, low, high, sampleSize } of [pairwiseF, bcubedF]) {
      expect(low).toBeLessThanOrEqual(value)
      expect(high).toBeGreaterThanOrEqual(value)
      expect(sampleSize).toBe(20)
    }
  })

  it('has no interval where nothing is wrong', () => {
    const labels = Int32Array.of(0, 0, 1, 1, 2, 2)
    expect(new Set(bootstrapScores(labels, labels, 1).pairwiseF)).toEqual(new Set([1]))
  })
})
