import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import {
  convolutionalBackbone,
  decodeRecognitionModel,
  embeddingHead,
  embedSamples,
  encodeRecognitionModel,
  identificationScores,
  type RecognitionInput,
  selectSamples,
  trainRecognition,
} from '../../../src/engine/index.ts'
import { syntheticPictures, syntheticVectors } from './synthetic-pictures.ts'

const none = { data: new Float32Array(0), rows: 0, cols: 0 }
const rowsWhere = (labels: Int32Array, isWanted: (label: number) => boolean) =>
  Int32Array.from(labels.keys()).filter((row) => isWanted(labels[row]))

/** Six identities to learn, the others never seen. */
function pictureInput(steps: number): RecognitionInput & { labels: Int32Array } {
  const { samples, labels } = syntheticPictures(14, 8, 3)
  const rows = rowsWhere(labels, (label) => label < 8)
  return {
    samples,
    labels,
    tasks: [{ name: 'labelled', rows, labels: rows.map((row) => labels[row]) }],
    shape: convolutionalBackbone([12, 12, 1], 16, 8),
    recipe: { steps, batchSize: 32, evaluateEvery: 10, head: { kind: 'softmax' } },
    seed: 5,
  }
}

function vectorInput(): RecognitionInput {
  const { samples, labels } = syntheticVectors(8, 6, 10, 1)
  return {
    samples,
    tasks: [{ name: 'labelled', rows: Int32Array.from(labels.keys()), labels }],
    shape: embeddingHead(10, 8, 16),
    recipe: { steps: 12, batchSize: 16, evaluateEvery: 4 },
    seed: 2,
  }
}

describe('training a recognition model', () => {
  it('tells identities apart that it has not seen, better than it did before', async () => {
    const input = pictureInput(60)
    const unseen = rowsWhere(input.labels, (label) => label >= 8)
    const score = async (steps: number) => {
      const { model } = await trainRecognition({ ...input, recipe: { ...input.recipe, steps } })
      const embeddings = await embedSamples(model, selectSamples(input.samples, unseen))
      return identificationScores(
        embeddings,
        unseen.map((row) => input.labels[row]),
        none,
      )
    }
    const [before, after] = [await score(1), await score(150)]
    expect(after.nearest).toBeGreaterThan(before.nearest + 0.05)
    expect(after.tarAtFar['0.01']).toBeGreaterThan(before.tarAtFar['0.01'] + 0.1)
  })

  it('two tasks share the backbone, and every batch holds as many of each', async () => {
    const { samples, labels } = syntheticVectors(12, 6, 10, 1)
    const first = rowsWhere(labels, (label) => label < 2)
    const second = rowsWhere(labels, (label) => label >= 2)
    const task = (name: string, rows: Int32Array) => ({ name, rows, labels: rows.map((row) => labels[row]) })
    const { epochs, lossCurve } = await trainRecognition({
      samples,
      tasks: [task('labelled', first), task('pseudo', second)],
      shape: embeddingHead(10, 8, 16),
      recipe: { steps: 30, batchSize: 24, evaluateEvery: 10 },
      seed: 1,
    })
    // 30 steps of 12: thirty passes over 12 rows, six over 60.
    expect(epochs).toEqual([
      { task: 'labelled', classes: 2, passes: 30 },
      { task: 'pseudo', classes: 10, passes: 6 },
    ])
    expect(lossCurve.map(({ step }) => step)).toEqual([10, 20, 30])
    expect(lossCurve[2].loss).toBeLessThan(lossCurve[0].loss)
  })

  it('goes on from a checkpoint to the very same weights', async () => {
    const input = vectorInput()
    const straight = await trainRecognition(input)
    const checkpoints: Uint8Array[] = []
    const killed = new AbortController()
    const half = trainRecognition(input, {
      signal: killed.signal,
      onCheckpoint: (bytes) => checkpoints.push(bytes),
      onProgress: ({ completed }) => {
        if (completed === 6) killed.abort()
      },
    })
    await expect(half).rejects.toMatchObject({ code: 'ABORTED' })
    expect(checkpoints).toHaveLength(1)
    const resumed = await trainRecognition({ ...input, checkpoint: checkpoints[0] })
    expect(resumed.model).toEqual(straight.model)
    expect(resumed.lossCurve).toEqual(straight.lossCurve)
  })

  it('refuses a checkpoint of another training', async () => {
    const input = vectorInput()
    const checkpoints: Uint8Array[] = []
    await trainRecognition(input, { onCheckpoint: (bytes) => checkpoints.push(bytes) })
    await expect(trainRecognition({ ...input, seed: 3, checkpoint: checkpoints[0] })).rejects.toMatchObject({
      code: 'BAD_WEIGHTS',
      message: expect.stringContaining('start from the beginning'),
    })
  })

  it('stops early when held-out identities no longer gain, and keeps the best weights', async () => {
    const { samples, labels } = syntheticVectors(14, 6, 10, 4)
    const [seen, held] = [rowsWhere(labels, (label) => label < 8), rowsWhere(labels, (label) => label >= 8)]
    const { model, lossCurve, heldOut } = await trainRecognition({
      samples,
      tasks: [{ name: 'labelled', rows: seen, labels: seen.map((row) => labels[row]) }],
      heldOut: { rows: held, labels: held.map((row) => labels[row]) },
      shape: embeddingHead(10, 8, 16),
      recipe: { steps: 400, batchSize: 16, evaluateEvery: 4, patience: 3 },
      seed: 2,
    })
    const scores = lossCurve.map((point) => point.heldOut as number)
    expect(lossCurve.at(-1)?.step).toBeLessThan(400)
    expect(heldOut).toBe(Math.max(...scores))
    expect(model.steps).toBe(lossCurve[scores.indexOf(Math.max(...scores))].step)
    const embeddings = await embedSamples(model, selectSamples(samples, held))
    expect(
      identificationScores(
        embeddings,
        held.map((row) => labels[row]),
        none,
      ).nearest,
    ).toBeCloseTo(heldOut as number, 6)
  })

  it('keeps every tensor to itself', async () => {
    await trainRecognition(vectorInput())
    const before = tf.memory().numTensors
    const { model } = await trainRecognition(vectorInput())
    await embedSamples(model, vectorInput().samples)
    expect(tf.memory().numTensors).toBe(before)
  })

  it('is written down and read back, and embeds the same', async () => {
    const input = vectorInput()
    const { model } = await trainRecognition(input)
    const again = decodeRecognitionModel(encodeRecognitionModel(model))
    expect(again).toEqual(model)
    expect(await embedSamples(again, input.samples)).toEqual(await embedSamples(model, input.samples))
  })

  it('embeddings are of unit length', async () => {
    const { data, cols } = await embedSamples((await trainRecognition(vectorInput())).model, vectorInput().samples)
    for (let i = 0; i < data.length; i += cols) expect(Math.hypot(...data.subarray(i, i + cols))).toBeCloseTo(1, 4)
  })
})

describe('what a training refuses', () => {
  const refused = (change: Partial<RecognitionInput>, code: string, message: RegExp) =>
    expect(trainRecognition({ ...vectorInput(), ...change })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
  const task = (labels: number[]) => [
    { name: 'labelled', rows: Int32Array.from(labels.keys()), labels: Int32Array.from(labels) },
  ]

  it('one class', () => refused({ tasks: task([7, 7, 7, 7]) }, 'BAD_OPTION', /at least 2 classes.*got 1 of 4/))
  it('all singletons', () => refused({ tasks: task([1, 2, 3, 4]) }, 'BAD_OPTION', /each a class of its own/))
  it('no task', () => refused({ tasks: [] }, 'BAD_OPTION', /at least one task/))
  it('rows that are not there', () =>
    refused(
      { tasks: [{ name: 'x', rows: Int32Array.of(0, 99), labels: Int32Array.of(0, 1) }] },
      'SHAPE_MISMATCH',
      /below 48: got 99/,
    ))
  it('samples of another shape', () =>
    refused({ shape: embeddingHead(11, 8) }, 'SHAPE_MISMATCH', /got \[10\], expected \[11\]/))

  it('a sample that is not a number', () => {
    const { samples } = vectorInput()
    const data = Float32Array.from(samples.data)
    data[25] = Number.NaN
    return refused({ samples: { ...samples, data } }, 'NOT_FINITE', /NaN in row 2/)
  })

  it('a training that has run away, saying what to do', () => {
    const { samples } = vectorInput()
    const most = Float32Array.from(samples.data).reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    // Finite themselves, but their sums are not.
    const huge = Float32Array.from(samples.data, (value) => (value / most) * 3.3e38)
    return refused(
      { samples: { ...samples, data: huge } },
      'NOT_FINITE',
      /must stay finite: got NaN in layer1.*step 4 of 12; lower the learning rate/,
    )
  })

  it('damaged weights', async () => {
    const bytes = encodeRecognitionModel((await trainRecognition(vectorInput())).model)
    bytes[bytes.length >> 1] ^= 1
    expect(() => decodeRecognitionModel(bytes)).toThrow(/damaged/)
  })

  it('samples of another size than the model knows', async () => {
    const { model } = await trainRecognition(vectorInput())
    await expect(embedSamples(model, syntheticVectors(2, 2, 9, 1).samples)).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
      message: expect.stringContaining('got [9], expected [10]'),
    })
  })
})
