import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import {
  clusterVertices,
  decodeModel,
  encodeModel,
  evaluateClustering,
  trainClusteringModel,
} from '../../../src/engine/index.ts'
import { knn } from '../../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../../src/engine/knn/normalize-rows.ts'
import { applyMetric, fitMetric } from '../../../src/engine/metric/learned-metric.ts'
import { createRng } from '../../../src/engine/rng.ts'
import type { Matrix } from '../../../src/engine/types.ts'

/** Identities in some dimensions; in others, what images of one identity differ in, the same for all: light, say, or style. */
function disturbed(options: { classes: number; each: number; seed: number }): { features: Matrix; labels: Int32Array } {
  const { classes, each, seed } = options
  const [own, shared] = [12, 6]
  const rng = createRng(seed)
  const centres = Float32Array.from({ length: classes * own }, () => rng.normal())
  const cols = own + shared
  const data = new Float32Array(classes * each * cols)
  const labels = Int32Array.from({ length: classes * each }, (_, v) => v % classes)
  for (const [v, g] of labels.entries()) {
    for (let c = 0; c < own; c++) data[v * cols + c] = centres[g * own + c] + 0.5 * rng.normal()
    for (let c = own; c < cols; c++) data[v * cols + c] = 3 * rng.normal()
  }
  return { features: normalizeRows({ data, rows: labels.length, cols }), labels }
}

/** Share of rows whose nearest other row is of the same identity. */
async function nearestIsSame(x: Matrix, labels: Int32Array): Promise<number> {
  const { ids } = await knn(x, 1)
  return labels.filter((label, v) => labels[ids[v]] === label).length / labels.length
}

describe('the learned metric', () => {
  it('by hand: two identities side by side, whose images differ up and down', () => {
    const s = Math.SQRT1_2
    const x = { data: Float32Array.from([-1, -s, -1, s, 1, -s, 1, s]), rows: 4, cols: 2 }
    const { mean, projection } = fitMetric(x, Int32Array.from([7, 7, 9, 9]), 1)
    expect([...mean.data]).toEqual([0, 0])
    // W = diag(.1, .9) and B = diag(.85, 1.35) after the pulls; 1/.1 - 1/1.8 and 1/.9 - 1/3.6.
    const expected = [Math.sqrt(10 - 1 / 1.8), 0, 0, Math.sqrt(1 / 0.9 - 1 / 3.6)]
    for (const [i, value] of projection.data.entries()) expect(value).toBeCloseTo(expected[i], 5)
  })

  it('leaves rows without a label out, is the same for a seed, changes no input and leaves no tensor behind', async () => {
    const { features, labels } = disturbed({ classes: 30, each: 5, seed: 3 })
    const copy = features.data.slice()
    const some = labels.map((label) => (label < 20 ? label : -1))
    const rows = [...some.keys()].filter((v) => some[v] >= 0)
    const alone = {
      data: Float32Array.from(rows.flatMap((v) => [...features.data.subarray(v * 18, (v + 1) * 18)])),
      rows: rows.length,
      cols: 18,
    }
    const metric = fitMetric(features, some, 1)
    expect(
      fitMetric(
        alone,
        Int32Array.from(rows, (v) => some[v]),
        1,
      ),
    ).toEqual(metric)
    expect(fitMetric(features, some, 1)).toEqual(metric)
    await applyMetric(metric, features)
    const tensors = tf.memory().numTensors
    await applyMetric(metric, features)
    expect(tf.memory().numTensors).toBe(tensors)
    expect(features.data).toEqual(copy)
  })

  it('tells identities apart that it has never seen', async () => {
    const train = disturbed({ classes: 40, each: 6, seed: 1 })
    const test = disturbed({ classes: 40, each: 6, seed: 2 })
    const metric = fitMetric(train.features, train.labels, 1)
    const [before, after] = [test.features, await applyMetric(metric, test.features)].map((x) =>
      nearestIsSame(x, test.labels),
    )
    expect(await before).toBeLessThan(0.5)
    expect(await after).toBeGreaterThan(0.8)
  })

  it('copes with copies and with rows at the mean, and says what it cannot do', async () => {
    const copies = { data: Float32Array.from([1, 0, 1, 0, 0, 1, 0, 1]), rows: 4, cols: 2 }
    const metric = fitMetric(copies, Int32Array.from([0, 0, 1, 1]), 1)
    const middle = { data: Float32Array.from([0.5, 0.5, 1, 0]), rows: 2, cols: 2 }
    expect((await applyMetric(metric, middle)).data.every(Number.isFinite)).toBe(true)
    expect(() => fitMetric(copies, Int32Array.from([0, 1, 2, -1]), 1)).toThrow(/identities of two images or more/)
    const other = { data: Float32Array.from([1, 0, 0]), rows: 1, cols: 3 }
    await expect(applyMetric(metric, other)).rejects.toMatchObject({ code: 'BAD_WEIGHTS' })
    await expect(applyMetric(metric, middle, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    })
  })
})

describe('AUTO and the learned metric', () => {
  const train = disturbed({ classes: 28, each: 5, seed: 1 })
  const test = disturbed({ classes: 28, each: 5, seed: 2 })
  const f = (labels: Int32Array) => evaluateClustering(labels, test.labels).bcubed.f

  it('takes it where held-out identities are told apart better, keeps it in the model, and says so', async () => {
    const trained = await trainClusteringModel({
      ...train,
      embedderId: 'test',
      seed: 1,
      parameters: { gcnV: { epochs: 2 }, connectivity: false, contenders: ['INFOMAP', 'STRUCTURE'] },
    })
    const model = decodeModel(encodeModel(trained.model))
    expect(model).toEqual(trained.model)
    expect(model.choice?.parameters.space).toBe('learned')
    const auto = await clusterVertices({ features: test.features, method: 'AUTO', model, seed: 1 })
    expect(auto.explanation).toMatch(/space learned[\s\S]*metric that labelled identities have taught/)
    // A method that is named sees the embedding as it is, unless it is told otherwise.
    const named = await clusterVertices({ features: test.features, method: 'INFOMAP', model, seed: 1 })
    expect(named.parametersChosen.space).toBeUndefined()
    expect(f(auto.labels)).toBeGreaterThan(f(named.labels) + 0.2)
    const asked = await clusterVertices({
      features: test.features,
      method: 'INFOMAP',
      model,
      seed: 1,
      parameters: { space: 'learned', k: 10 },
    })
    expect(f(asked.labels)).toBeGreaterThan(f(named.labels) + 0.2)
    const elsewhere = { features: test.features, method: 'INFOMAP', model, seed: 1, parameters: { space: 'moon' } }
    await expect(clusterVertices(elsewhere)).rejects.toThrow(/space must be embedding or learned: got moon/)
  }, 120_000)

  it('learns it from the labels of a run that has no model, and refuses it where there is none', async () => {
    const features = {
      ...train.features,
      data: Float32Array.of(...train.features.data, ...test.features.data),
      rows: 280,
    }
    const labels = Int32Array.of(...train.labels, ...test.labels.map(() => -1))
    const run = await clusterVertices({ features, labels, method: 'AUTO', seed: 1 })
    expect(run.parametersChosen.space).toBe('learned')
    expect(f(run.labels.subarray(140))).toBeGreaterThan(0.6)
    const without = { features, method: 'INFOMAP', seed: 1, parameters: { space: 'learned' } }
    await expect(clusterVertices(without)).rejects.toThrow(/space learned needs a metric: got none/)
  }, 120_000)
})
