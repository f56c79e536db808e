import { fitCalibration, priorCalibration } from './calibration.ts'
import { EngineError } from './errors.ts'
import { type BackendChoice, chooseBackend } from './gcn/backend.ts'
import { type CandidateSets, candidateSets } from './gcn/candidate-sets.ts'
import { neighbourConfidence } from './gcn/confidence.ts'
import { gcnEPredict } from './gcn/gcn-e.ts'
import { gcnVInput, gcnVPredict } from './gcn/gcn-v.ts'
import { unitHiddenRows } from './gcn/hidden-features.ts'
import { disposeParameters, toParameters, type WeightArrays } from './gcn/parameters.ts'
import {
  type LossPoint,
  PRACTICAL_GCN_E,
  PRACTICAL_GCN_V,
  type TrainingRecipe,
  trainGcnE,
  trainGcnV,
} from './gcn/train.ts'
import { knn } from './knn/knn.ts'
import { normalizeRows } from './knn/normalize-rows.ts'
import { selectRows, shorterLists } from './knn/sub-lists.ts'
import { type ClusteringModel, checkFits } from './model.ts'
import { chooseTau, chooseTreeTau, type TauChoice, type TauPoint } from './partition/choose-tau.ts'
import { thresholdPartition } from './partition/threshold-partition.ts'
import { createPhaseClock, type Phase } from './phase-clock.ts'
import { createRng } from './rng.ts'
import type { Control, Labels, Matrix, NeighbourLists } from './types.ts'

export interface TrainingParameters {
  /** Neighbours of each vertex, itself not counted. Default: the mean size of an identity less one, 4 to 79. */
  readonly k?: number
  /** Neighbours in GCN-E's graph. Default: twice k, 19 to 79. */
  readonly connectivityK?: number
  /** Share of vertices, the most confident first, that GCN-E is applied to. Default 0.3. */
  readonly rho?: number
  /** Channels of GCN-V. Default 512, the paper's. */
  readonly hidden?: number
  /** Share of identities that decide on thresholds and graphs. Default 0.25. */
  readonly heldOutShare?: number
  /** Train GCN-E at all. Default true. */
  readonly connectivity?: boolean
  readonly gcnV?: Partial<TrainingRecipe>
  readonly gcnE?: Partial<TrainingRecipe>
}

export interface TrainingInput {
  /** Embeddings, float32 [n, d], any norms above zero. */
  readonly features: Matrix
  /** int32 [n]: identity of each row; below 0 = not known, left out. */
  readonly labels: Labels
  /** Kept in the model, which is of no use with vectors of another embedder. */
  readonly embedderId: string
  readonly seed: number
  readonly parameters?: TrainingParameters
  /** Go on from these weights. */
  readonly fromModel?: ClusteringModel
}

export interface TrainingReport {
  readonly images: number
  readonly identities: number
  readonly heldOutIdentities: number
  readonly k: number
  /** Mean of pairwise and BCubed F on held-out identities at the chosen thresholds. */
  readonly heldOut: ClusteringModel['heldOut']
  /** What each threshold would have given, by graph. */
  readonly curves: {
    readonly raw: readonly TauPoint[]
    readonly rebuilt: readonly TauPoint[]
    readonly nearestCandidate: readonly TauPoint[]
    readonly gcnE?: readonly TauPoint[]
    readonly threshold: readonly TauPoint[]
  }
  readonly explanation: string
  readonly phases: readonly Phase[]
  readonly backend: BackendChoice
}

export interface TrainingOutput {
  readonly model: ClusteringModel
  /** Of GCN-V with identities held out. */
  readonly lossCurve: readonly LossPoint[]
  readonly report: TrainingReport
}

/** GCN-E must beat the nearest candidate by this much on held-out identities to be used: less is seed noise. */
const WORTH_OF_GCN_E = 0.005
const IDENTITIES_NEEDED = 4
/** Vertices that all epochs of GCN-V may pass over; larger sets get fewer epochs, at least a quarter. */
const VERTEX_PASSES = 120_000
/** Smaller than the released 512, 512, 256, 256, which small label sets cannot fill. */
const CONVOLUTIONS = [256, 256, 128, 128] as const

/**
 * Trains GCN-V and GCN-E on the labelled rows, and learns on held-out identities what else a run needs: the graph, the
 * thresholds, whether GCN-E is worth its time, and how similarity relates to probability.
 *
 * Identities are split, not images. The held-out ones are clustered in the company of all others, so that thresholds
 * are learnt at the density they will be used at. Then the networks are trained once more on all identities.
 *
 * @throws EngineError BAD_OPTION with too few identities, NOT_FINITE, SHAPE_MISMATCH, BAD_WEIGHTS when `fromModel` does not fit,
 *   ABORTED. Deterministic for a seed on one backend.
 */
export async function trainClusteringModel(input: TrainingInput, control: Control = {}): Promise<TrainingOutput> {
  const { embedderId, seed, parameters = {}, fromModel } = input
  if (fromModel) checkFits(fromModel, input.features.cols, embedderId)
  const clock = createPhaseClock(control)
  const backend = await chooseBackend()
  const { x, labels } = labelledRows(input)
  const split = splitIdentities(labels, parameters.heldOutShare ?? 0.25, seed)
  const isHeldOut = (label: number) => split.heldOut.has(label)
  const all = Int32Array.from(labels.keys())
  const fit = all.filter((v) => !isHeldOut(labels[v]))
  const held = all.filter((v) => isHeldOut(labels[v]))
  const mostNeighbours = Math.max(1, x.rows - 1)
  const k = Math.min(mostNeighbours, parameters.k ?? clamp(Math.round(x.rows / split.count) - 1, 4, 79))
  const connectivityK = Math.min(mostNeighbours, parameters.connectivityK ?? clamp(2 * k, 19, 79))
  const rho = parameters.rho ?? 0.3

  const longLists = await clock.measure('knn', () => knn(x, Math.min(mostNeighbours, Math.max(k, 10)), control))
  const lists = shorterLists(longLists, k)
  const vInput = await clock.measure('aggregate', () => gcnVInput(x, lists, control))
  const target = neighbourConfidence(lists, labels)

  const passes = Math.max(10, Math.min(PRACTICAL_GCN_V.epochs, Math.round(VERTEX_PASSES / x.rows)))
  const recipeV: TrainingRecipe = {
    ...PRACTICAL_GCN_V,
    epochs: fromModel ? Math.ceil(passes / 2) : passes,
    ...parameters.gcnV,
  }
  const recipeE: TrainingRecipe = { ...PRACTICAL_GCN_E, ...parameters.gcnE }
  const optionsV = { recipe: recipeV, hidden: parameters.hidden ?? 512, seed, start: fromModel?.gcnV }
  const optionsE = { recipe: recipeE, convolutions: CONVOLUTIONS, loss: 'nll' as const, seed }

  const first = await clock.measure('train_gcn_v', () =>
    trainGcnV({ input: vInput, target, fit, heldOut: held }, optionsV, control),
  )
  const trial = await apply(first.weights, Math.max(k, connectivityK))
  const choices = await clock.measure('select', () => {
    return {
      raw: chooseTreeTau(lists, trial.confidence, labels, isHeldOut),
      rebuilt: chooseTreeTau(shorterLists(trial.lists, k), trial.confidence, labels, isHeldOut),
      nearestCandidate: chooseTreeTau(shorterLists(trial.lists, connectivityK), trial.confidence, labels, isHeldOut),
      threshold: chooseTau(labels, isHeldOut, (tau) => thresholdPartition(lists, tau)),
    }
  })
  const graph = choices.rebuilt.score >= choices.raw.score ? 'rebuilt' : 'raw'
  const tree = choices[graph]

  let viaE: TauChoice | undefined
  if (parameters.connectivity ?? true) {
    const sets = setsOf(trial)
    const trained = await clock.measure('train_gcn_e', () =>
      trainGcnE({ sets, labels, fit, heldOut: held }, optionsE, control),
    )
    const { preferred } = await clock.measure('gcn_e', () => predictE(trained.weights, sets))
    viaE = chooseTreeTau(sets.lists, trial.confidence, labels, isHeldOut, preferred)
  }
  const usesNetwork = viaE !== undefined && viaE.score >= choices.nearestCandidate.score + WORTH_OF_GCN_E
  const connectivity = usesNetwork && viaE ? viaE : choices.nearestCandidate

  const last = await clock.measure('refit_gcn_v', () =>
    trainGcnV({ input: vInput, target, fit: all, heldOut: new Int32Array(0) }, optionsV, control),
  )
  const gcnE = usesNetwork
    ? await clock.measure('refit_gcn_e', async () => {
        const sets = setsOf(await apply(last.weights, connectivityK))
        const { weights } = await trainGcnE({ sets, labels, fit: all, heldOut: new Int32Array(0) }, optionsE, control)
        return weights
      })
    : undefined

  const model: ClusteringModel = {
    embedderId,
    embeddingDimension: x.cols,
    seed,
    k,
    tree: { graph, tau: { raw: choices.raw.tau, rebuilt: choices.rebuilt.tau } },
    connectivity: { k: connectivityK, tau: connectivity.tau, rho, usesNetwork },
    threshold: { tau: choices.threshold.tau },
    calibration: fitCalibration(longLists, labels) ?? priorCalibration(longLists, x, seed),
    heldOut: { gcnV: tree.score, gcnVE: connectivity.score, threshold: choices.threshold.score },
    gcnV: last.weights,
    ...(gcnE && { gcnE }),
  }
  return {
    model,
    lossCurve: thin(first.lossCurve, 500),
    report: {
      images: x.rows,
      identities: split.count,
      heldOutIdentities: split.heldOut.size,
      k,
      heldOut: model.heldOut,
      curves: {
        raw: choices.raw.curve,
        rebuilt: choices.rebuilt.curve,
        nearestCandidate: choices.nearestCandidate.curve,
        ...(viaE && { gcnE: viaE.curve }),
        threshold: choices.threshold.curve,
      },
      explanation: explain(
        model,
        choices.raw.score,
        choices.rebuilt.score,
        choices.nearestCandidate.score,
        viaE?.score,
      ),
      phases: clock.phases,
      backend,
    },
  }

  /** Confidence of every labelled vertex, and the lists rebuilt on F_L. */
  async function apply(weights: WeightArrays, neighbours: number) {
    const parameters = toParameters(weights)
    try {
      const { confidence, hidden } = await gcnVPredict(parameters, vInput, { signal: control.signal })
      const features = unitHiddenRows(hidden)
      return {
        confidence,
        features,
        lists: await knn(features, Math.min(mostNeighbours, neighbours), { signal: control.signal }),
      }
    } finally {
      disposeParameters(parameters)
    }
  }

  function setsOf(applied: { confidence: Float32Array; features: Matrix; lists: NeighbourLists }): CandidateSets {
    return candidateSets(shorterLists(applied.lists, connectivityK), applied.features, applied.confidence, { rho })
  }

  async function predictE(weights: WeightArrays, sets: CandidateSets) {
    const parameters = toParameters(weights)
    try {
      return await gcnEPredict(parameters, sets, control)
    } finally {
      disposeParameters(parameters)
    }
  }
}

function labelledRows({ features, labels }: TrainingInput): { x: Matrix; labels: Labels } {
  if (labels.length !== features.rows) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `labels must have one value per row: got ${labels.length}, expected ${features.rows}`,
    )
  }
  const known = Int32Array.from(labels.keys()).filter((v) => labels[v] >= 0)
  return { x: normalizeRows(selectRows(features, known)), labels: Int32Array.from(known, (v) => labels[v]) }
}

/** Held-out identities: a seeded share, with at least one that has two images on either side. */
function splitIdentities(labels: Labels, share: number, seed: number): { heldOut: Set<number>; count: number } {
  if (!(share > 0 && share < 1)) {
    throw new EngineError('BAD_OPTION', `heldOutShare must lie between 0 and 1: got ${share}`)
  }
  const sizes = new Map<number, number>()
  for (const label of labels) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  const several = [...sizes].filter(([, size]) => size > 1).map(([label]) => label)
  const single = [...sizes].filter(([, size]) => size === 1).map(([label]) => label)
  if (several.length < IDENTITIES_NEEDED) {
    throw new EngineError(
      'BAD_OPTION',
      `training needs at least ${IDENTITIES_NEEDED} identities with two or more images: got ${several.length}; label more first`,
    )
  }
  const rng = createRng(seed)
  const take = (identities: number[], least: number) =>
    rng.shuffle(Int32Array.from(identities)).subarray(0, Math.max(least, Math.round(identities.length * share)))
  return { heldOut: new Set([...take(several, 1), ...take(single, 0)]), count: sizes.size }
}

function explain(
  { tree, connectivity, k, threshold, heldOut }: ClusteringModel,
  raw: number,
  rebuilt: number,
  nearest: number,
  viaE?: number,
): string {
  const percent = (score: number) => (100 * score).toFixed(1)
  const network =
    viaE === undefined
      ? 'GCN-E was not trained.'
      : connectivity.usesNetwork
        ? `GCN-E chooses the edges (${percent(viaE)} against ${percent(nearest)} for the nearest candidate).`
        : `GCN-E is passed over: on held-out identities it gave ${percent(viaE)}, the nearest candidate ${percent(nearest)}.`
  return (
    `Each vertex has ${k} neighbours. The tree is cut from the ${tree.graph === 'raw' ? 'graph of the embedding' : 'graph rebuilt on GCN-V features'} ` +
    `at tau ${tree.tau[tree.graph].toFixed(2)}: mean F on held-out identities ${percent(raw)} raw, ${percent(rebuilt)} rebuilt. ${network} ` +
    `A plain cosine threshold of ${threshold.tau.toFixed(2)} gives ${percent(heldOut.threshold)}.`
  )
}

function thin<T>(points: readonly T[], most: number): readonly T[] {
  if (points.length <= most) return points
  return Array.from({ length: most }, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))])
}

const clamp = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value))
