import * as tf from '@tensorflow/tfjs-core'
import { EngineError, throwIfAborted } from '../errors.ts'
import { type BackendChoice, chooseBackend } from '../gcn/backend.ts'
import { createOptimiser, type OptimiserMemory } from '../gcn/optimiser.ts'
import {
  constant,
  disposeParameters,
  type Parameters,
  toParameters,
  toWeightArrays,
  type WeightArrays,
} from '../gcn/parameters.ts'
import { decodeWeights, encodeWeights } from '../gcn/weights.ts'
import { nextTurn } from '../next-turn.ts'
import { createRng } from '../rng.ts'
import type { Control, Labels } from '../types.ts'
import { type Augmentation, augmentInto, DEFAULT_AUGMENTATION } from './augmentation.ts'
import { type BackboneShape, backward, forwardTraining, initBackbone, inputSize } from './backbone.ts'
import { embedBy } from './embed.ts'
import { identificationScores } from './identification.ts'
import { headLoss, type MarginHead } from './margin-head.ts'
import { partOf, type RecognitionModel, withPrefix } from './recognition-model.ts'
import { checkSamples, type Samples, selectSamples } from './samples.ts'
import { learningRateFactor } from './schedule.ts'

/** One set of labels with a head of its own: labelled samples are one task, pseudo-labelled ones another. */
export interface RecognitionTask {
  readonly name: string
  /** int32 [n]: rows of the samples. */
  readonly rows: Int32Array
  /** int32 [n]: class of each row; any numbers. */
  readonly labels: Labels
  /** float32 [n]: how much each row counts. Default 1. */
  readonly weights?: Float32Array
}

/** How long and how to train. */
export interface RecognitionRecipe {
  readonly steps: number
  /** Samples a step, shared equally among the tasks. */
  readonly batchSize: number
  readonly learningRate: number
  /** L2 on every gradient. */
  readonly weightDecay: number
  readonly head: MarginHead
  readonly augmentation: Augmentation
  /** Steps between two looks at the held-out identities, and between two checkpoints. */
  readonly evaluateEvery: number
  /** Looks without a better score after which the training stops; the best weights are kept. */
  readonly patience: number
}

export const DEFAULT_RECOGNITION: RecognitionRecipe = {
  steps: 400,
  batchSize: 64,
  learningRate: 4e-3,
  weightDecay: 1e-4,
  head: { kind: 'cosface', scale: 12, margin: 0.1 },
  augmentation: DEFAULT_AUGMENTATION,
  evaluateEvery: 100,
  patience: 4,
}

export interface RecognitionInput {
  readonly samples: Samples
  readonly tasks: readonly RecognitionTask[]
  /** Samples of identities that no task has, to stop by; absent: train to the end. */
  readonly heldOut?: { readonly rows: Int32Array; readonly labels: Labels }
  readonly shape: BackboneShape
  readonly recipe?: Partial<RecognitionRecipe>
  readonly seed: number
  /** What `onCheckpoint` got last: goes on from there. */
  readonly checkpoint?: Uint8Array
}

export interface RecognitionPoint {
  readonly step: number
  /** Mean since the last point. */
  readonly loss: number
  /** Share of held-out samples whose nearest other one is of their identity. */
  readonly heldOut?: number
}

export interface RecognitionOutput {
  readonly model: RecognitionModel
  readonly lossCurve: readonly RecognitionPoint[]
  /** Best on held-out identities, where there are any. */
  readonly heldOut?: number
  /** Passes over each task. */
  readonly epochs: readonly { readonly task: string; readonly classes: number; readonly passes: number }[]
  readonly backend: BackendChoice
}

/** A task whose classes are numbered from 0. */
interface DenseTask extends RecognitionTask {
  readonly classes: number
  readonly denseLabels: Int32Array
}

/**
 * Trains a recognition model from scratch on one or more tasks: one backbone, one margin head a task, equal numbers of each
 * task in every batch. Shorter tasks are gone through more often.
 *
 * Every batch follows from the seed and the number of its step alone, so that a training which goes on from a checkpoint
 * ends with the same weights as one that was never stopped.
 *
 * @throws EngineError BAD_OPTION with fewer than two classes in a task; SHAPE_MISMATCH; BAD_WEIGHTS for a checkpoint of another
 *   training; NOT_FINITE when the loss is no longer a number; ABORTED.
 * Source: [YANG20] section 4.2.2; heads [WANG18], [DENG19]. Deterministic for a seed on one backend.
 */
export async function trainRecognition(input: RecognitionInput, control: Control = {}): Promise<RecognitionOutput> {
  const { samples, shape, seed, heldOut } = input
  const recipe: RecognitionRecipe = { ...DEFAULT_RECOGNITION, ...input.recipe }
  checkSamples(samples)
  if (String(samples.shape) !== String(shape.input)) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `samples must be what the backbone looks at: got [${samples.shape}], expected [${shape.input}]`,
    )
  }
  const tasks = input.tasks.map((task) => denseTask(task, samples.count))
  if (tasks.length === 0) throw new EngineError('BAD_OPTION', 'a training needs at least one task: got none')
  const backend = await chooseBackend()
  const share = Math.max(2, Math.floor(recipe.batchSize / tasks.length))
  const streams = tasks.map((task, t) => rowStream(task.rows.length, share, seed * 31 + t))
  const fingerprint = JSON.stringify([shape, recipe, seed, tasks.map(({ classes, rows }) => [classes, rows.length])])
  const start = input.checkpoint ? readCheckpoint(input.checkpoint, fingerprint) : freshStart(shape, tasks, seed)
  const parameters = toParameters(start.weights)
  let statistics = toParameters(start.statistics)
  const optimiser = createOptimiser(
    {
      kind: 'adam',
      learningRate: recipe.learningRate,
      weightDecay: recipe.weightDecay,
      schedule: learningRateFactor,
    },
    start.memory,
  )
  const probes = heldOut && selectSamples(samples, heldOut.rows)
  const values = inputSize(shape)
  const batch = new Float32Array(tasks.length * share * values)
  const lossCurve: RecognitionPoint[] = [...start.lossCurve]
  let best = start.best
  let sinceBest = start.sinceBest
  let [lossSum, lossCount] = [0, 0]
  try {
    for (let step = start.step; step < recipe.steps; step++) {
      throwIfAborted(control.signal)
      const chosen = streams.map((rowsAt) => rowsAt(step))
      const rng = createRng(seed * 7919 + step)
      tasks.forEach((task, t) => {
        const rows = Int32Array.from(chosen[t], (i) => task.rows[i])
        const part = batch.subarray(t * share * values, (t + 1) * share * values)
        augmentInto(samples, rows, recipe.augmentation, rng, part)
      })
      const { loss, gradients, nextStatistics } = takeStep(chosen)
      const value = loss.dataSync()[0]
      loss.dispose()
      disposeParameters(statistics)
      statistics = nextStatistics
      if (!Number.isFinite(value)) {
        disposeParameters(gradients)
        throw diverged(`got a loss of ${value}`, step, recipe)
      }
      optimiser.step(parameters, gradients, step / recipe.steps)
      lossSum += value
      lossCount++
      control.onProgress?.({ phase: 'train_recognition', completed: step + 1, total: recipe.steps })
      const isLast = step + 1 === recipe.steps
      if ((step + 1) % recipe.evaluateEvery === 0 || isLast) {
        checkFinite({ ...parameters, ...statistics }, step, recipe)
        const score = await heldOutScore()
        lossCurve.push({
          step: step + 1,
          loss: lossSum / lossCount,
          ...(score !== undefined && { heldOut: score }),
        })
        lossSum = 0
        lossCount = 0
        if (score !== undefined) {
          sinceBest++
          if (!best || score > best.score) {
            best = {
              score,
              step: step + 1,
              weights: toWeightArrays(backboneOf(parameters)),
              statistics: toWeightArrays(statistics),
            }
            sinceBest = 0
          }
          if (sinceBest >= recipe.patience) break
        }
        if (!isLast && control.onCheckpoint) control.onCheckpoint(checkpoint(step + 1))
      }
      if (step % STEPS_A_TURN === 0) await nextTurn()
    }
    const model: RecognitionModel = {
      shape,
      seed,
      steps: best?.step ?? recipe.steps,
      weights: best?.weights ?? toWeightArrays(backboneOf(parameters)),
      statistics: best?.statistics ?? toWeightArrays(statistics),
    }
    const done = lossCurve.at(-1)?.step ?? 0
    return {
      model,
      lossCurve,
      ...(best && { heldOut: best.score }),
      epochs: tasks.map(({ name, classes, rows }) => ({
        task: name,
        classes,
        passes: (done * share) / rows.length,
      })),
      backend,
    }
  } finally {
    optimiser.dispose()
    disposeParameters(parameters)
    disposeParameters(statistics)
  }

  function takeStep(chosen: readonly Int32Array[]) {
    const all = tf.tidy(() => {
      const x = tf.tensor(batch, [tasks.length * share, ...shape.input])
      const forward = forwardTraining(shape, parameters, statistics, x)
      const losses: tf.Scalar[] = []
      const toEmbeddings: tf.Tensor2D[] = []
      const gradients: Parameters = {}
      tasks.forEach((task, t) => {
        const part = tf.slice(forward.embeddings, [t * share, 0], [share, shape.embedding]) as tf.Tensor2D
        const labels = Int32Array.from(chosen[t], (i) => task.denseLabels[i])
        const weights = Float32Array.from(chosen[t], (i) => task.weights?.[i] ?? 1)
        const head = headLoss(recipe.head, part, parameters[headName(t)] as tf.Tensor2D, labels, weights)
        losses.push(head.loss)
        toEmbeddings.push(head.embeddingGradient)
        gradients[headName(t)] = head.weightGradient
      })
      return {
        loss: tf.addN(losses) as tf.Scalar,
        ...prefixed('g:', {
          ...gradients,
          ...backward(forward, parameters, tf.concat(toEmbeddings, 0) as tf.Tensor2D),
        }),
        ...prefixed('s:', forward.statistics),
      } as Record<string, tf.Tensor>
    })
    return {
      loss: all.loss as tf.Scalar,
      gradients: unprefixed('g:', all),
      nextStatistics: unprefixed('s:', all),
    }
  }

  async function heldOutScore(): Promise<number | undefined> {
    if (!probes || !heldOut) return undefined
    const embeddings = await embedBy(shape, backboneOf(parameters), statistics, probes, { signal: control.signal })
    return identificationScores(embeddings, heldOut.labels, { data: new Float32Array(0), rows: 0, cols: 0 }).nearest
  }

  function checkpoint(step: number): Uint8Array {
    const { steps, first, second } = optimiser.memory()
    return encodeWeights(
      {
        kind: CHECKPOINT,
        fingerprint,
        step,
        optimiserSteps: steps,
        lossCurve,
        sinceBest,
        ...(best && { best: { score: best.score, step: best.step } }),
      },
      withPrefix({
        now: toWeightArrays(parameters),
        statistics: toWeightArrays(statistics),
        first,
        second,
        bestWeights: best?.weights ?? {},
        bestStatistics: best?.statistics ?? {},
      }),
    )
  }
}

/** Steps between two turns of the event loop: each takes some 10 to 100 ms. */
const STEPS_A_TURN = 4
const CHECKPOINT = 'recognition-checkpoint'
const headName = (task: number) => `head${task}.weight`
const backboneOf = (parameters: Parameters): Parameters =>
  Object.fromEntries(Object.entries(parameters).filter(([name]) => !name.startsWith('head')))
const prefixed = (prefix: string, tensors: Parameters) =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [prefix + name, tensor]))
const unprefixed = (prefix: string, tensors: Parameters) =>
  Object.fromEntries(
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  )

const diverged = (got: string, step: number, { steps, learningRate }: RecognitionRecipe) =>
  new EngineError(
    'NOT_FINITE',
    `the training must stay finite: ${got} at step ${step + 1} of ${steps}; lower the learning rate (${learningRate}) or look for broken samples`,
  )

/** A loss does not show it: the cut at zero turns what is no number into 0. */
function checkFinite(tensors: Parameters, step: number, recipe: RecognitionRecipe): void {
  for (const [name, tensor] of Object.entries(tensors)) {
    const broken = tensor.dataSync().find((value) => !Number.isFinite(value))
    if (broken !== undefined) throw diverged(`got ${broken} in ${name}`, step, recipe)
  }
}

interface Start {
  readonly step: number
  readonly weights: WeightArrays
  readonly statistics: WeightArrays
  readonly memory?: OptimiserMemory
  readonly lossCurve: readonly RecognitionPoint[]
  readonly sinceBest: number
  readonly best?: { score: number; step: number; weights: WeightArrays; statistics: WeightArrays }
}

function freshStart(shape: BackboneShape, tasks: readonly DenseTask[], seed: number): Start {
  const { weights, statistics } = initBackbone(shape, seed)
  const rng = createRng(seed + 1)
  const heads = tasks.map(({ classes }, t) => {
    const weight = constant([shape.embedding, classes], 0)
    for (let i = 0; i < weight.data.length; i++) weight.data[i] = rng.normal() / Math.sqrt(shape.embedding)
    return [headName(t), weight]
  })
  return {
    step: 0,
    weights: { ...weights, ...Object.fromEntries(heads) },
    statistics,
    lossCurve: [],
    sinceBest: 0,
  }
}

function readCheckpoint(bytes: Uint8Array, fingerprint: string): Start {
  const { header, weights } = decodeWeights(bytes)
  if (header.kind !== CHECKPOINT || header.fingerprint !== fingerprint) {
    throw new EngineError(
      'BAD_WEIGHTS',
      'the checkpoint must be one of this training: its data, its network or its recipe differ; start from the beginning',
    )
  }
  const best = header.best as { score: number; step: number } | undefined
  return {
    step: header.step as number,
    weights: partOf(weights, 'now'),
    statistics: partOf(weights, 'statistics'),
    memory: {
      steps: header.optimiserSteps as number,
      first: partOf(weights, 'first'),
      second: partOf(weights, 'second'),
    },
    lossCurve: header.lossCurve as RecognitionPoint[],
    sinceBest: header.sinceBest as number,
    ...(best && {
      best: { ...best, weights: partOf(weights, 'bestWeights'), statistics: partOf(weights, 'bestStatistics') },
    }),
  }
}

function denseTask(task: RecognitionTask, count: number): DenseTask {
  const { name, rows, labels, weights } = task
  if (labels.length !== rows.length || (weights && weights.length !== rows.length)) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `task ${name} must have one label and weight per row: got ${labels.length} and ${weights?.length ?? rows.length}, expected ${rows.length}`,
    )
  }
  const stray = rows.find((row) => row < 0 || row >= count)
  if (stray !== undefined) {
    throw new EngineError('SHAPE_MISMATCH', `task ${name} must name rows below ${count}: got ${stray}`)
  }
  const numbers = new Map<number, number>()
  const denseLabels = Int32Array.from(labels, (label) => {
    if (!numbers.has(label)) numbers.set(label, numbers.size)
    return numbers.get(label) as number
  })
  if (numbers.size < 2) {
    throw new EngineError(
      'BAD_OPTION',
      `task ${name} must have at least 2 classes to tell apart: got ${numbers.size} of ${rows.length} samples`,
    )
  }
  if (numbers.size === rows.length) {
    throw new EngineError(
      'BAD_OPTION',
      `task ${name} must have a class of 2 samples or more: got ${rows.length} samples, each a class of its own`,
    )
  }
  return { ...task, classes: numbers.size, denseLabels }
}

/** Which of n rows step s looks at: the rows in a new order every pass, cut into shares. */
function rowStream(n: number, share: number, seed: number): (step: number) => Int32Array {
  let pass = -1
  let order = new Int32Array(0)
  const rowAt = (position: number) => {
    const wanted = Math.floor(position / n)
    if (wanted !== pass) {
      pass = wanted
      order = createRng(seed * 65_537 + pass).shuffle(Int32Array.from({ length: n }, (_, i) => i))
    }
    return order[position - wanted * n]
  }
  return (step) => Int32Array.from({ length: share }, (_, i) => rowAt(step * share + i))
}
