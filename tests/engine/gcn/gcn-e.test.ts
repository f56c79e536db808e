import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { chooseBackend } from '../../../src/engine/gcn/backend.ts'
import { candidateSets, planBatches, subgraphBatch } from '../../../src/engine/gcn/candidate-sets.ts'
import { neighbourConfidence } from '../../../src/engine/gcn/confidence.ts'
import { gcnEForward, gcnEPredict, gcnEStep, initGcnE } from '../../../src/engine/gcn/gcn-e.ts'
import { disposeParameters, toParameters, toWeightArrays } from '../../../src/engine/gcn/parameters.ts'
import { type TrainingRecipe, trainGcnE } from '../../../src/engine/gcn/train.ts'
import { knn } from '../../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../../src/engine/knn/normalize-rows.ts'
import { treePartition } from '../../../src/engine/partition/tree-partition.ts'
import { blobs } from '../support/data.ts'

beforeAll(async () => {
  await chooseBackend()
})

const convolutions = [6, 6, 4, 4] as const

async function problem(rho = 1) {
  const { features, labels } = blobs({ classes: 5, each: 10, d: 8, noise: 0.6 })
  const x = normalizeRows(features)
  const lists = await knn(x, 9)
  const confidence = neighbourConfidence(lists, labels)
  return { labels, lists, x, confidence, sets: candidateSets(lists, x, confidence, { rho }) }
}

describe('candidate sets', () => {
  it('hold the more confident neighbours of the most confident vertices', async () => {
    const { lists, x, confidence } = await problem()
    const sets = candidateSets(lists, x, confidence, { rho: 0.4 })
    const byConfidence = [...confidence.keys()].sort((a, b) => confidence[b] - confidence[a])
    for (const v of byConfidence.slice(20)) expect(sets.offsets[v + 1]).toBe(sets.offsets[v])
    for (const v of sets.vertices) {
      const candidates = [...sets.targets.subarray(sets.offsets[v], sets.offsets[v + 1])]
      expect(candidates.length).toBeGreaterThan(1)
      for (const u of candidates) expect(confidence[u]).toBeGreaterThanOrEqual(confidence[v])
    }
    expect(candidateSets(lists, x, confidence, { rho: 0 }).vertices).toHaveLength(0)
    expect(() => candidateSets(lists, x, confidence, { rho: 1.5 })).toThrow(/rho/)
  })

  it('hold every neighbour in the ablation without candidate sets', async () => {
    const { lists, x, confidence } = await problem()
    const { offsets, targets } = candidateSets(lists, x, confidence, { rho: 1, candidates: 'all' })
    expect([...targets.subarray(offsets[3], offsets[4])]).toEqual([...lists.ids.subarray(3 * 9, 4 * 9)])
  })

  it('are cut in batches that cover every vertex once, within the limits', async () => {
    const { sets } = await problem()
    const batches = planBatches(sets, sets.vertices, { maxRows: 40, maxGraphs: 8 })
    expect(batches.flatMap((batch) => [...batch]).sort((a, b) => a - b)).toEqual([...sets.vertices])
    for (const centres of batches) {
      expect(centres.length).toBeLessThanOrEqual(8)
      expect(centres.length === 1 || subgraphBatch(sets, centres).nodes.length <= 40).toBe(true)
    }
    expect(planBatches(sets, new Int32Array(0), { maxRows: 40, maxGraphs: 8 })).toEqual([])
  })
})

describe('GCN-E', () => {
  it('says the same of a vertex alone and in a padded batch', async () => {
    const { sets } = await problem()
    const parameters = toParameters(initGcnE({ features: 8, convolutions, loss: 'nll' }, 1))
    const together = subgraphBatch(sets, sets.vertices.slice(0, 12))
    const scores = gcnEForward(parameters, together)
    for (let s = 0; s < 12; s++) {
      const alone = gcnEForward(parameters, subgraphBatch(sets, sets.vertices.slice(s, s + 1)))
      alone.forEach((score, row) => {
        expect(scores[s * together.size + row]).toBeCloseTo(score, 5)
      })
      for (let row = alone.length; row < together.size; row++) {
        expect(scores[s * together.size + row]).toBe(Number.NEGATIVE_INFINITY)
      }
    }
    disposeParameters(parameters)
  })

  it.each(['nll', 'mse'] as const)('has the gradients that small changes of the weights show (%s)', async (loss) => {
    const { sets, labels } = await problem()
    const batch = subgraphBatch(sets, sets.vertices.slice(0, 6))
    const weights = initGcnE({ features: 8, convolutions, loss }, 2)
    const lossAt = (changed: typeof weights) => {
      const parameters = toParameters(changed)
      const result = gcnEStep(parameters, batch, labels)
      const value = result.loss.dataSync()[0]
      const gradients = toWeightArrays(result.gradients)
      result.loss.dispose()
      disposeParameters(result.gradients)
      disposeParameters(parameters)
      return { value, gradients }
    }
    const { gradients } = lossAt(weights)
    const h = 2e-3
    for (const name of Object.keys(weights)) {
      const i = Math.floor(weights[name].data.length / 3)
      const moved = (by: number) => {
        const data = weights[name].data.slice()
        data[i] += by
        return lossAt({ ...weights, [name]: { ...weights[name], data } }).value
      }
      const slope = (moved(h) - moved(-h)) / (2 * h)
      expect(Math.abs(gradients[name].data[i] - slope), name).toBeLessThan(2e-3 + 0.05 * Math.abs(slope))
    }
  })

  it('learns who belongs together, the same for the same seed, and leaves no tensor behind', async () => {
    const { sets, labels, confidence } = await problem()
    const before = tf.memory().numTensors
    const recipe: TrainingRecipe = { optimiser: { kind: 'adam', learningRate: 0.01 }, epochs: 40, batchSize: 8 }
    const data = { sets, labels, fit: Int32Array.from(labels.keys()), heldOut: new Int32Array(0) }
    const options = { recipe, convolutions: [16, 16, 8, 8] as const, loss: 'nll' as const, seed: 5 }
    const trained = await trainGcnE(data, options)
    expect(trained.lossCurve[39].loss).toBeLessThan(0.6 * trained.lossCurve[0].loss)
    expect(await trainGcnE(data, options)).toEqual(trained)

    const parameters = toParameters(trained.weights)
    const { preferred, probability } = await gcnEPredict(parameters, sets)
    disposeParameters(parameters)
    const decided = [...sets.vertices]
    const right = decided.filter((v) => labels[preferred[v]] === labels[v]).length
    expect(right / decided.length).toBeGreaterThan(0.9)
    for (const v of decided) {
      expect(probability[v]).toBeGreaterThanOrEqual(0)
      expect(probability[v]).toBeLessThanOrEqual(1)
    }
    const { parent } = treePartition(sets.lists, confidence, { tau: -1, preferred })
    for (const v of decided) expect(parent[v]).toBe(preferred[v])
    expect(tf.memory().numTensors).toBe(before)
  })

  it('stops when asked to', async () => {
    const { sets } = await problem()
    const parameters = toParameters(initGcnE({ features: 8, convolutions, loss: 'nll' }, 1))
    await expect(gcnEPredict(parameters, sets, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    disposeParameters(parameters)
  })

  it('refuses hidden features of another width', async () => {
    const { sets } = await problem()
    const parameters = toParameters(initGcnE({ features: 5, convolutions, loss: 'nll' }, 1))
    await expect(gcnEPredict(parameters, sets)).rejects.toMatchObject({ code: 'BAD_WEIGHTS' })
    disposeParameters(parameters)
  })
})
