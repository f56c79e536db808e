import { EngineError } from '../errors.ts'
import { findMethod } from '../methods.ts'
import { type ClusteringModel, decodeModel, encodeModel, withChoice } from '../model.ts'
import type { ClusterInput, ClusterParameters, ClusterResult } from '../pipeline.ts'
import { createRng } from '../rng.ts'
import type { MethodChoice } from '../selection/choose-method.ts'
import type { TrainingInput, TrainingOutput } from '../training.ts'
import type { Control, Labels, Matrix } from '../types.ts'
import type { BackboneShape } from './backbone.ts'
import { type ClustererSteps, chooseClusterer } from './choose-clusterer.ts'
import { backboneFor, stepsFor } from './defaults.ts'
import { type PseudoLabelChoices, type PseudoLabels, pseudoLabels } from './pseudo-labels.ts'
import { decodeRecognitionModel, encodeRecognitionModel, type RecognitionModel } from './recognition-model.ts'
import { type Samples, selectSamples } from './samples.ts'
import {
  DEFAULT_RECOGNITION,
  type RecognitionInput,
  type RecognitionOutput,
  type RecognitionPoint,
  type RecognitionRecipe,
  type RecognitionTask,
} from './train-recognition.ts'

/** The long computations that retraining is made of: the engine's own, or the same in another thread. */
export interface RetrainSteps {
  trainRecognition(input: RecognitionInput, control?: Control): Promise<RecognitionOutput>
  embed(input: { readonly model: RecognitionModel; readonly samples: Samples }, control?: Control): Promise<Matrix>
  train(input: TrainingInput, control?: Control): Promise<TrainingOutput>
  choose: ClustererSteps['choose']
  cluster(input: ClusterInput, control?: Control): Promise<ClusterResult>
}

/** Where finished steps and checkpoints are kept, so that a killed retraining goes on where it stopped. */
export interface RetrainMemory {
  load(name: string): Promise<Uint8Array | undefined>
  save(name: string, bytes: Uint8Array): Promise<void>
}

export interface RetrainInput {
  readonly samples: Samples
  /** int32 [n]: identity of each sample; below 0 = not known, to be pseudo-labelled. */
  readonly labels: Labels
  /** Default: a small convolutional network for pictures, a head for vectors. */
  readonly shape?: BackboneShape
  /** Steps by default: a dozen passes over all samples, 400 to 6,000. */
  readonly recipe?: Partial<RecognitionRecipe>
  /** How the unlabelled samples are clustered. Default AUTO: chosen on identities that a recognition model has not seen. */
  readonly method?: string
  /** Default: links more likely wrong than right are cut. */
  readonly parameters?: ClusterParameters
  readonly choices?: PseudoLabelChoices
  /** Share of the labelled identities kept out of both trainings, to stop them by. Default 0.15; 0 = train to the end. */
  readonly heldOutShare?: number
  readonly seed: number
}

export interface RetrainReport {
  readonly labelled: { readonly images: number; readonly identities: number; readonly heldOutIdentities: number }
  readonly pseudo: { readonly images: number; readonly classes: number; readonly dropped: number }
  /** Method that clustered, and why it was taken. */
  readonly method: string
  readonly explanation: string
  /** Share of held-out samples whose nearest one is of their identity, by the first and by the final model. */
  readonly heldOut?: { readonly first: number; readonly final: number }
  readonly epochs: RecognitionOutput['epochs']
  readonly sentence: string
}

export interface RetrainOutput {
  /** Trained on the labelled samples alone. */
  readonly first: RecognitionModel
  /** Clusters embeddings of the first model. */
  readonly clustering: ClusteringModel
  /** int32 [n]: pseudo-label of each sample, -1 for labelled ones and those left out. */
  readonly pseudo: Labels
  /** Trained from scratch on labels and pseudo-labels. */
  readonly final: RecognitionModel
  readonly lossCurve: readonly RecognitionPoint[]
  readonly report: RetrainReport
}

const MIN_PROBABILITY = 0.5
const FEWEST_IDENTITIES = 4
const FEWEST_HELD_OUT = 2

/**
 * Turns unlabelled samples into training data: (1) trains a recognition model on the labelled samples, (2) trains the clustering
 * model on its embeddings of them, (3) clusters the unlabelled ones at once, (4) trains a new recognition model from scratch on
 * labels and pseudo-labels as two tasks, with equal numbers of both in every batch.
 *
 * Source: [YANG20] section 4.2.2. Differs: identities held out of both trainings say when to stop; AUTO and the parameters of methods
 * without training are chosen anew, see `chooseClusterer`.
 *
 * @param memory keeps every finished step, and checkpoints in the middle of the two trainings
 * @throws EngineError BAD_OPTION with too few identities, without unlabelled samples, or when no two clusters came out; what the
 *   steps throw; whatever `memory` throws, at once. Deterministic for a seed on one backend.
 */
export async function retrain(
  input: RetrainInput,
  steps: RetrainSteps,
  control: Control = {},
  memory: RetrainMemory = forgetful,
): Promise<RetrainOutput> {
  const { samples, labels, seed, method = 'AUTO', choices, heldOutShare = 0.15 } = input
  const { shape = backboneFor(samples.shape), parameters = { minProbability: MIN_PROBABILITY } } = input
  const batchSize = input.recipe?.batchSize ?? DEFAULT_RECOGNITION.batchSize
  const recipe = { steps: stepsFor(samples.count, batchSize), ...input.recipe }
  if (labels.length !== samples.count) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `labels must have one value per sample: got ${labels.length}, expected ${samples.count}`,
    )
  }
  const all = Int32Array.from(labels.keys())
  const unlabelled = all.filter((row) => labels[row] < 0)
  const { fit, heldOut, identities, heldOutIdentities } = holdOut(labels, heldOutShare, seed)
  if (unlabelled.length < 2) {
    throw new EngineError(
      'BAD_OPTION',
      `retraining needs samples without a label to learn from: got ${unlabelled.length} of ${samples.count}`,
    )
  }
  const labelsOf = (rows: Int32Array) => rows.map((row) => labels[row])
  const labelledTask: RecognitionTask = { name: 'labelled', rows: fit, labels: labelsOf(fit) }
  const training = (tasks: readonly RecognitionTask[]): RecognitionInput => ({
    samples,
    tasks,
    ...(heldOut.length > 0 && { heldOut: { rows: heldOut, labels: labelsOf(heldOut) } }),
    shape,
    recipe,
    seed,
  })

  const first = await recognition('first', training([labelledTask]))
  const known = all.filter((row) => labels[row] >= 0)
  const embedderId = 'first'
  const learnt = await remembered('clustering', encodeModel, decodeModel, async () => {
    const features = await steps.embed(
      { model: first.model, samples: selectSamples(samples, known) },
      inPhase('embed_labelled'),
    )
    const { model } = await steps.train({ features, labels: labelsOf(known), embedderId, seed }, control)
    return model
  })
  const { choice } = await remembered('choice', encodeJson, decodeJson<{ choice?: MethodChoice }>, async () => ({
    ...((method === 'AUTO' || findMethod(method)) && {
      choice: await chooseClusterer(
        { samples, labels, seed },
        {
          trainOn: half,
          embed: (model, some) => steps.embed({ model, samples: some }, inPhase('embed_half')),
          choose: steps.choose,
        },
        inPhase('choose_method'),
      ),
    }),
  }))
  const clustering = withChoice(learnt, choice)
  const proposed = await remembered('clusters', encodeJson, decodeJson<Proposed>, async () => {
    const features = await steps.embed(
      { model: first.model, samples: selectSamples(samples, unlabelled) },
      inPhase('embed_unlabelled'),
    )
    const result = await steps.cluster({ features, method, model: clustering, embedderId, parameters, seed }, control)
    return {
      labels: [...result.labels],
      parent: [...result.parent],
      parentProbability: [...result.parentProbability],
      method: String(result.parametersChosen.method ?? method),
      explanation: result.explanation,
    }
  })
  const pseudo = pseudoLabels(
    {
      labels: Int32Array.from(proposed.labels),
      parent: Int32Array.from(proposed.parent),
      parentProbability: Float32Array.from(proposed.parentProbability),
    },
    choices,
  )
  if (pseudo.classes < 2) {
    throw new EngineError(
      'BAD_OPTION',
      `pseudo-labels need at least 2 clusters of ${choices?.minSize ?? 2} samples or more: ${proposed.method} gave ${pseudo.classes} among ${unlabelled.length} unlabelled samples, the others stand alone; confirm more identities first`,
    )
  }
  const final = await recognition(
    'final',
    training([
      labelledTask,
      {
        name: 'pseudo-labelled',
        rows: pseudo.rows.map((at) => unlabelled[at]),
        labels: pseudo.labels,
        weights: pseudo.weights,
      },
    ]),
  )
  const found = new Int32Array(samples.count).fill(-1)
  pseudo.rows.forEach((at, i) => {
    found[unlabelled[at]] = pseudo.labels[i]
  })
  const scores =
    first.heldOut !== undefined && final.heldOut !== undefined
      ? { first: first.heldOut, final: final.heldOut }
      : undefined
  const report: RetrainReport = {
    labelled: { images: known.length, identities, heldOutIdentities },
    pseudo: { images: pseudo.rows.length, classes: pseudo.classes, dropped: pseudo.dropped },
    method: proposed.method,
    explanation: proposed.explanation,
    ...(scores && { heldOut: scores }),
    epochs: final.epochs,
    sentence: sentenceOf(known.length, identities, pseudo, proposed.method, scores),
  }
  return { first: first.model, clustering, pseudo: found, final: final.model, lossCurve: final.lossCurve, report }

  /** A model of half the identities, to choose by: half the steps will do, and no checkpoints. */
  async function half(rows: Int32Array, at: number): Promise<RecognitionModel> {
    const { model } = await steps.trainRecognition(
      {
        samples,
        tasks: [{ name: 'half', rows, labels: labelsOf(rows) }],
        shape,
        recipe: { ...recipe, steps: Math.max(1, recipe.steps >> 1) },
        seed: seed + at,
      },
      inPhase('train_half'),
    )
    return model
  }

  /** One training with its checkpoints; a checkpoint that cannot be kept ends it. */
  async function recognition(name: string, wanted: RecognitionInput): Promise<Finished> {
    const kept = await memory.load(name)
    if (kept) return decodeFinished(kept)
    const stop = new AbortController()
    const onAbort = () => stop.abort()
    control.signal?.addEventListener('abort', onAbort, { once: true })
    if (control.signal?.aborted) stop.abort()
    let saving = Promise.resolve()
    let refusal: unknown
    const onCheckpoint = (bytes: Uint8Array) => {
      saving = saving
        .then(() => memory.save(`${name}.checkpoint`, bytes))
        .catch((error) => {
          refusal ??= error
          stop.abort()
        })
    }
    try {
      const output = await steps.trainRecognition(
        { ...wanted, checkpoint: await memory.load(`${name}.checkpoint`) },
        { ...inPhase(`train_${name}`), signal: stop.signal, onCheckpoint },
      )
      await saving
      if (refusal) throw refusal
      const finished: Finished = {
        model: output.model,
        lossCurve: output.lossCurve,
        epochs: output.epochs,
        heldOut: output.heldOut,
      }
      await memory.save(name, encodeFinished(finished))
      return finished
    } catch (error) {
      throw refusal ?? error
    } finally {
      control.signal?.removeEventListener('abort', onAbort)
    }
  }

  async function remembered<T>(
    name: string,
    encode: (value: T) => Uint8Array,
    decode: (bytes: Uint8Array) => T,
    make: () => Promise<T>,
  ): Promise<T> {
    const kept = await memory.load(name)
    if (kept) return decode(kept)
    const value = await make()
    await memory.save(name, encode(value))
    return value
  }

  function inPhase(phase: string): Control {
    return { ...control, onProgress: (progress) => control.onProgress?.({ ...progress, phase }) }
  }
}

interface Finished {
  readonly model: RecognitionModel
  readonly lossCurve: readonly RecognitionPoint[]
  readonly epochs: RecognitionOutput['epochs']
  readonly heldOut?: number
}

interface Proposed {
  readonly labels: readonly number[]
  readonly parent: readonly number[]
  readonly parentProbability: readonly number[]
  readonly method: string
  readonly explanation: string
}

const forgetful: RetrainMemory = { load: async () => undefined, save: async () => {} }

const encodeJson = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const decodeJson = <T>(bytes: Uint8Array): T => JSON.parse(new TextDecoder().decode(bytes))

/** The model's own bytes, and before them what is known of its training. */
function encodeFinished({ model, ...facts }: Finished): Uint8Array {
  const head = encodeJson(facts)
  const body = encodeRecognitionModel(model)
  const bytes = new Uint8Array(4 + head.length + body.length)
  new DataView(bytes.buffer).setUint32(0, head.length, true)
  bytes.set(head, 4)
  bytes.set(body, 4 + head.length)
  return bytes
}

function decodeFinished(bytes: Uint8Array): Finished {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  return {
    ...decodeJson<Omit<Finished, 'model'>>(bytes.subarray(4, 4 + length)),
    model: decodeRecognitionModel(bytes.slice(4 + length)),
  }
}

/** Labelled rows to train on, and those of identities to stop by. */
function holdOut(labels: Labels, share: number, seed: number) {
  const sizes = new Map<number, number>()
  for (const label of labels) if (label >= 0) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  if (sizes.size < FEWEST_IDENTITIES) {
    throw new EngineError(
      'BAD_OPTION',
      `retraining needs at least ${FEWEST_IDENTITIES} labelled identities: got ${sizes.size}; label more first`,
    )
  }
  // Only identities with two samples have a nearest one of their own.
  const measurable = Int32Array.from([...sizes].filter(([, size]) => size > 1).map(([label]) => label)).sort()
  const wanted = Math.round(share * sizes.size)
  const isEnough = wanted >= FEWEST_HELD_OUT && measurable.length - wanted >= FEWEST_IDENTITIES
  const held = new Set(isEnough ? createRng(seed).shuffle(measurable).subarray(0, wanted) : [])
  const rows = Int32Array.from(labels.keys()).filter((row) => labels[row] >= 0)
  return {
    fit: rows.filter((row) => !held.has(labels[row])),
    heldOut: rows.filter((row) => held.has(labels[row])),
    identities: sizes.size,
    heldOutIdentities: held.size,
  }
}

function sentenceOf(
  images: number,
  identities: number,
  pseudo: PseudoLabels,
  method: string,
  scores?: RetrainReport['heldOut'],
): string {
  const gain = scores
    ? ` The nearest sample is of the right identity for ${(100 * scores.first).toFixed(1)} % of held-out samples before, ${(100 * scores.final).toFixed(1)} % after.`
    : ''
  return (
    `Learnt from ${images} labelled samples of ${identities} identities and ${pseudo.rows.length} pseudo-labelled ones in ` +
    `${pseudo.classes} clusters of ${method}; ${pseudo.dropped} were left out.${gain}`
  )
}
