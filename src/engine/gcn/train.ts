import * as tf from '@tensorflow/tfjs-core'
import { throwIfAborted } from '../errors.ts'
import { selectRows } from '../knn/sub-lists.ts'
import { nextTurn } from '../next-turn.ts'
import { createRng } from '../rng.ts'
import type { Control, Labels, Matrix, Rng } from '../types.ts'
import { type CandidateSets, planBatches, subgraphBatch } from './candidate-sets.ts'
import { type ConnectivityLoss, gcnEForward, gcnEStep, initGcnE } from './gcn-e.ts'
import { gcnVPredict, gcnVStep, initGcnV } from './gcn-v.ts'
import { createOptimiser, type Optimiser, type OptimiserOptions } from './optimiser.ts'
import { disposeParameters, type Parameters, toParameters, toWeightArrays, type WeightArrays } from './parameters.ts'

/** How long and how to train. */
export interface TrainingRecipe {
  readonly optimiser: OptimiserOptions
  /** Passes over the training vertices. */
  readonly epochs: number
  /** Vertices (GCN-V) or subgraphs (GCN-E) a step; Infinity = all of them, the full-graph steps of the released code. */
  readonly batchSize: number
  /** Stop after so many epochs without a better held-out loss, and keep the best weights. Default: train to the end. */
  readonly patience?: number
  /** Most batches an epoch; the rest waits for later epochs. Default all. */
  readonly batchesAnEpoch?: number
}

/** One point of a loss curve. */
export interface LossPoint {
  readonly step: number
  /** Mean over the epoch. */
  readonly loss: number
  /** On held-out identities. */
  readonly heldOutLoss?: number
}

export interface Trained {
  readonly weights: WeightArrays
  readonly lossCurve: readonly LossPoint[]
  /** Epochs behind the weights. */
  readonly epochs: number
}

/** The released recipe of GCN-V for MS1M: full-graph SGD, one step an epoch. 45 h on CPUs at DeepFashion's size. */
export const RELEASED_GCN_V: TrainingRecipe = {
  optimiser: { kind: 'sgd', learningRate: 0.1, momentum: 0.9, weightDecay: 1e-5, milestones: [0.5, 0.8, 0.9] },
  epochs: 80_000,
  batchSize: Number.POSITIVE_INFINITY,
}

/** The released recipe of GCN-E for MS1M. */
export const RELEASED_GCN_E: TrainingRecipe = {
  optimiser: { kind: 'sgd', learningRate: 0.1, momentum: 0.9, weightDecay: 1e-5, milestones: [0.5, 0.8, 0.9] },
  epochs: 40,
  batchSize: 32,
}

/**
 * GCN-V in seconds on CPUs: mini-batches at the released rate and schedule. Not stopped by the held-out loss, which
 * rises long before the partition gets worse.
 */
export const PRACTICAL_GCN_V: TrainingRecipe = {
  optimiser: { kind: 'sgd', learningRate: 0.1, momentum: 0.9, weightDecay: 1e-4, milestones: [0.5, 0.8, 0.9] },
  epochs: 40,
  batchSize: 128,
}

/** GCN-E in seconds on CPUs, stopped by the held-out loss. */
export const PRACTICAL_GCN_E: TrainingRecipe = {
  optimiser: { kind: 'adam', learningRate: 1e-3, weightDecay: 1e-5 },
  epochs: 6,
  batchSize: 16,
  patience: 2,
  batchesAnEpoch: 24,
}

/**
 * Trains GCN-V to predict confidence.
 *
 * Since the aggregate is part of the input, mini-batches have the same optimum as full-graph steps.
 *
 * @param input [x ; A x] of every vertex, from `gcnVInput`
 * @param target float32 [n]: the confidence to learn
 * @param fit int32: vertices to learn from
 * @param heldOut int32: vertices of other identities, to stop by; may be empty
 * @param start weights to go on from; default a fresh network of `hidden` channels
 * Deterministic for a seed on one backend. @throws EngineError ABORTED.
 */
export async function trainGcnV(
  data: { input: Matrix; target: Float32Array; fit: Int32Array; heldOut: Int32Array },
  options: { recipe: TrainingRecipe; hidden: number; seed: number; start?: WeightArrays },
  control: Control = {},
): Promise<Trained> {
  const { input, target, fit, heldOut } = data
  const rng = createRng(options.seed)
  const weights = options.start ?? initGcnV({ features: input.cols / 2, hidden: options.hidden }, options.seed)
  const heldOutInput = selectRows(input, heldOut)
  return trainByBatches('train_gcn_v', toParameters(weights), options.recipe, control, {
    batches: () => chunks(rng.shuffle(fit.slice()), options.recipe.batchSize),
    step: (parameters, batch) => {
      const rows = selectRows(input, batch)
      const x = tf.tensor2d(rows.data, [rows.rows, rows.cols])
      const y = tf.tensor1d(Float32Array.from(batch, (v) => target[v]))
      const result = gcnVStep(parameters, x, y)
      tf.dispose([x, y])
      return result
    },
    heldOutLoss: async (parameters) => {
      if (heldOut.length === 0) return undefined
      const { confidence } = await gcnVPredict(parameters, heldOutInput, { signal: control.signal })
      let sum = 0
      for (let i = 0; i < heldOut.length; i++) sum += (confidence[i] - target[heldOut[i]]) ** 2
      return sum / heldOut.length
    },
  })
}

/**
 * Trains GCN-E to tell which candidates of a vertex share its class.
 *
 * @param data.sets candidate sets; subgraphs are cut batch by batch and never held all at once
 * @param data.labels int32 [n]
 * @param data.fit int32: centres to learn from; those without two candidates are passed over
 * @param data.heldOut int32: centres of other identities, to stop by; may be empty
 */
export async function trainGcnE(
  data: { sets: CandidateSets; labels: Labels; fit: Int32Array; heldOut: Int32Array },
  options: {
    recipe: TrainingRecipe
    convolutions: readonly [number, number, number, number]
    loss: ConnectivityLoss
    seed: number
    start?: WeightArrays
  },
  control: Control = {},
): Promise<Trained> {
  const { sets, labels } = data
  const isCentre = new Set(sets.vertices)
  const fit = data.fit.filter((v) => isCentre.has(v))
  const heldOut = data.heldOut.filter((v) => isCentre.has(v))
  const { convolutions, loss, recipe } = options
  const rng = createRng(options.seed)
  const weights = options.start ?? initGcnE({ features: sets.features.cols, convolutions, loss }, options.seed)
  const most = recipe.batchesAnEpoch ?? Number.POSITIVE_INFINITY
  // The same held-out subgraphs every time, so that epochs can be compared.
  const probes = rng.shuffle(heldOut.slice()).subarray(0, 128)
  return trainByBatches('train_gcn_e', toParameters(weights), recipe, control, {
    batches: () => {
      const sample = rng.shuffle(fit.slice()).subarray(0, Math.min(fit.length, most * recipe.batchSize))
      const limits = { maxRows: Number.POSITIVE_INFINITY, maxGraphs: Math.min(recipe.batchSize, sample.length || 1) }
      return shuffled(planBatches(sets, sample, limits), rng)
    },
    step: (parameters, batch) => gcnEStep(parameters, subgraphBatch(sets, batch), labels),
    heldOutLoss: async (parameters) => {
      if (probes.length === 0) return undefined
      let sum = 0
      for (const centres of planBatches(sets, probes, { maxRows: 4096, maxGraphs: 64 })) {
        const batch = subgraphBatch(sets, centres)
        sum += connectivityLoss(gcnEForward(parameters, batch), batch.nodes, centres, labels, loss)
      }
      return sum / probes.length
    },
  })
}

/** What a network learns, batch by batch. */
export interface Task<Batch> {
  batches(): readonly Batch[]
  step(parameters: Parameters, batch: Batch): { loss: tf.Scalar; gradients: Parameters }
  heldOutLoss(parameters: Parameters): Promise<number | undefined>
}

/**
 * Steps over the batches of every epoch, with a loss curve and, where the recipe has patience, the best held-out weights.
 *
 * @param parameters disposed of in the end
 */
export async function trainByBatches<Batch>(
  phase: string,
  parameters: Parameters,
  recipe: TrainingRecipe,
  control: Control,
  task: Task<Batch>,
): Promise<Trained> {
  const optimiser: Optimiser = createOptimiser(recipe.optimiser)
  const lossCurve: LossPoint[] = []
  let best: { weights: WeightArrays; loss: number; epoch: number } | undefined
  let steps = 0
  try {
    for (let epoch = 0; epoch < recipe.epochs; epoch++) {
      const batches = task.batches()
      let sum = 0
      for (let b = 0; b < batches.length; b++) {
        throwIfAborted(control.signal)
        const { loss, gradients } = task.step(parameters, batches[b])
        sum += loss.dataSync()[0]
        loss.dispose()
        optimiser.step(parameters, gradients, (epoch + b / batches.length) / recipe.epochs)
        steps++
        await nextTurn()
      }
      const heldOutLoss = await task.heldOutLoss(parameters)
      lossCurve.push({
        step: steps,
        loss: sum / Math.max(1, batches.length),
        ...(heldOutLoss !== undefined && { heldOutLoss }),
      })
      control.onProgress?.({ phase, completed: epoch + 1, total: recipe.epochs })
      if (recipe.patience === undefined || heldOutLoss === undefined) continue
      // Written as "not worse" so that a NaN never counts as the best.
      if (!best || heldOutLoss < best.loss) best = { weights: toWeightArrays(parameters), loss: heldOutLoss, epoch }
      if (epoch - best.epoch >= recipe.patience) break
    }
    const weights = best?.weights ?? toWeightArrays(parameters)
    return { weights, lossCurve, epochs: best ? best.epoch + 1 : recipe.epochs }
  } finally {
    optimiser.dispose()
    disposeParameters(parameters)
  }
}

function connectivityLoss(
  scores: Float32Array,
  nodes: Int32Array,
  centres: Int32Array,
  labels: Labels,
  kind: ConnectivityLoss,
): number {
  const size = nodes.length / centres.length
  let total = 0
  for (let s = 0; s < centres.length; s++) {
    let sum = 0
    let count = 0
    for (let row = s * size; row < (s + 1) * size && nodes[row] >= 0; row++) {
      const same = labels[nodes[row]] === labels[centres[s]]
      if (kind === 'mse') sum += (scores[row] - (same ? 1 : 0)) ** 2
      else sum -= same ? scores[row] : Math.log(Math.max(1e-7, 1 - Math.exp(scores[row])))
      count++
    }
    total += sum / Math.max(1, count)
  }
  return total
}

function chunks(values: Int32Array, size: number): Int32Array[] {
  const parts: Int32Array[] = []
  const step = Math.min(size, Math.max(1, values.length))
  for (let from = 0; from < values.length; from += step) parts.push(values.subarray(from, from + step))
  return parts
}

function shuffled<T>(items: readonly T[], rng: Rng): T[] {
  return Array.from(rng.shuffle(Int32Array.from(items.keys())), (i) => items[i])
}
