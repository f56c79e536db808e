import {
  adjustCalibration,
  CALIBRATION_K,
  type EdgeCalibration,
  edgeProbability,
  fitCalibration,
  type Outcomes,
  priorCalibration,
} from './calibration.ts'
import type { DecoderParameters } from './decoder.ts'
import { EngineError } from './errors.ts'
import { type BackendChoice, chooseBackend } from './gcn/backend.ts'
import { type CandidateSets, candidateSets } from './gcn/candidate-sets.ts'
import { meanSimilarity, type NeighbourScale, neighbourConfidence } from './gcn/confidence.ts'
import { type ConnectivityLoss, gcnEPredict } from './gcn/gcn-e.ts'
import { gcnVInput, gcnVPredict } from './gcn/gcn-v.ts'
import { unitHiddenRows } from './gcn/hidden-features.ts'
import { disposeParameters, toParameters, type WeightArrays } from './gcn/parameters.ts'
import { PRESETS, type Preset, type PresetName, presetNames } from './gcn/presets.ts'
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
import { findTrainable, offeredContenders, simplicityRank } from './methods.ts'
import { applyMetric, fitMetric } from './metric/learned-metric.ts'
import { type ClusteringModel, checkFits, type GraphKind, type TreeCut } from './model.ts'
import { chooseTau, type TauChoice, type TauPoint, treeFold } from './partition/choose-tau.ts'
import { expectedCompany } from './partition/expected-company.ts'
import { clusterForest } from './partition/forest.ts'
import { mergeCandidates } from './partition/merge-candidates.ts'
import { thresholdPartition } from './partition/threshold-partition.ts'
import { treePartition } from './partition/tree-partition.ts'
import { createPhaseClock, type Phase } from './phase-clock.ts'
import { reviewOutcomes } from './review-outcomes.ts'
import {
  chooseMethod,
  type LabelledSet,
  LEARNED_SPACE,
  labelFreeContender,
  learnedContenders,
  metricContenders,
  plainContenders,
} from './selection/choose-method.ts'
import { inCompany, type PartlyLabelled } from './selection/company.ts'
import { type Contender, type Standing, standingOf } from './selection/contender.ts'
import { identityFolds } from './selection/identity-folds.ts'
import { learnedSpaces } from './selection/learned-spaces.ts'
import type { Control, Labels, Matrix, NeighbourLists } from './types.ts'

export interface TrainingParameters {
  /**
   * Published constants by name, instead of what held-out identities choose: K, rho, tau, label, loss, widths and recipes; GCN-V+E then
   * always asks GCN-E. Anything else given here goes before it. The released recipes take hours on CPUs: give `gcnV.epochs`, say.
   */
  readonly preset?: PresetName
  /** What s_nbr is divided by. Default the largest, as released. */
  readonly scale?: NeighbourScale
  /** What GCN-E learns by. Default two classes, as released. */
  readonly loss?: ConnectivityLoss
  /** Neighbours of each vertex, itself not counted. Default: the mean size of an identity less one, 4 to 79. */
  readonly k?: number
  /** Neighbours in GCN-E's graph. Default: twice k, 19 to 79. */
  readonly connectivityK?: number
  /** Share of vertices, the most confident first, that GCN-E is applied to. Default 0.3. */
  readonly rho?: number
  /** Channels of GCN-V. Default 512, the paper's. */
  readonly hidden?: number
  /** Share of identities held out in each fold, to decide on thresholds and graphs. Default 0.25. */
  readonly heldOutShare?: number
  /** How often other identities are held out; decisions go by the mean. Default 4, and 2 above 1,000 identities. */
  readonly folds?: number
  /** Train GCN-E at all. Default true. */
  readonly connectivity?: boolean
  /** Other methods that AUTO chooses among, by name. Default: those offered for the set's size. */
  readonly contenders?: readonly string[]
  /**
   * Methods that are trained and get their parameters, for a caller that names them, but that AUTO does not choose among. One fold
   * decides, not all. Default none.
   */
  readonly alsoTuned?: readonly string[]
  readonly gcnV?: Partial<TrainingRecipe>
  readonly gcnE?: Partial<TrainingRecipe>
}

export interface TrainingInput {
  /** Embeddings, float32 [n, d], any norms above zero. */
  readonly features: Matrix
  /** int32 [n]: identity of each row; below 0 = not known: nothing is learnt from it. */
  readonly labels: Labels
  /**
   * With fewer than 60 identities, rows without a label keep the labelled ones company while thresholds and methods are measured, as
   * they do in a run; of many, a sample by seed: 1,000, and up to 5,000 where as many are labelled. Default false: they are left out.
   */
  readonly inCompany?: boolean
  /** Kept in the model, which is of no use with vectors of another embedder. */
  readonly embedderId: string
  readonly seed: number
  readonly parameters?: TrainingParameters
  /** Go on from these weights. */
  readonly fromModel?: ClusteringModel
}

/** How one number of neighbours does on held-out identities. */
export interface NeighbourPoint extends TauPoint {
  readonly graph: GraphKind
  readonly k: number
}

export interface TrainingReport {
  readonly images: number
  readonly identities: number
  readonly heldOutIdentities: number
  /** Rows without a label that were measured among. */
  readonly company: number
  readonly k: number
  /** Mean of pairwise and BCubed F on held-out identities at the chosen thresholds. */
  readonly heldOut: ClusteringModel['heldOut']
  /** What each threshold would have given, by graph. */
  readonly curves: {
    readonly raw: readonly TauPoint[]
    readonly rebuilt: readonly TauPoint[]
    readonly gcnE?: readonly TauPoint[]
    readonly threshold: readonly TauPoint[]
    /** What each number of neighbours would have given at its best threshold. */
    readonly neighbours: readonly NeighbourPoint[]
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

/** GCN-V's view of some rows: their confidence, F_L, and the lists rebuilt on it. */
interface Applied {
  readonly confidence: Float32Array
  readonly features: Matrix
  readonly lists: NeighbourLists
}

/** So many identities keep each other company, and tell settings apart better than strangers do: docs/retraining.md. */
const COMPANY_ENOUGH = 60
/** GCN-E must beat the tree without it by this much on held-out identities to be used: less is seed noise. */
const WORTH_OF_GCN_E = 0.01
/** The paper's K = 80 counts the vertex itself. */
const MOST_NEIGHBOURS = 79
/** So many identities tell methods apart in two folds. */
const MANY_IDENTITIES = 1000
/** Vertices that all epochs of GCN-V may pass over; larger sets get fewer epochs, at least a quarter. */
const VERTEX_PASSES = 120_000
/** Smaller than the released 512, 512, 256, 256, which small label sets cannot fill. */
const CONVOLUTIONS = [256, 256, 128, 128] as const

/**
 * Trains GCN-V and GCN-E on the labelled rows, and learns on held-out identities what else a run needs: the graph, the
 * thresholds, whether GCN-E is worth its time, and how similarity relates to probability.
 *
 * Identities are split, not images. The held-out ones are clustered in the company of all others, with `inCompany` of unlabelled rows
 * as well, so that thresholds are learnt at the density they will be used at. Then the networks are trained once more on all identities.
 * In company, AUTO also goes by what a run does without a model: with too few labels to tell, it does the same.
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
  const foldCount = parameters.folds ?? (new Set(labels).size > MANY_IDENTITIES ? 2 : 4)
  const split = identityFolds(labels, parameters.heldOutShare ?? 0.25, foldCount, seed)
  const all = Int32Array.from(labels.keys())
  const mostNeighbours = Math.max(1, x.rows - 1)
  const preset = presetOf(parameters.preset)
  const ownK = clamp(Math.round(x.rows / split.count) - 1, 4, MOST_NEIGHBOURS)
  const k = Math.min(mostNeighbours, parameters.k ?? preset?.k ?? ownK)
  const connectivityK = Math.min(
    mostNeighbours,
    parameters.connectivityK ?? preset?.connectivityK ?? clamp(2 * k, 19, MOST_NEIGHBOURS),
  )
  const rho = parameters.rho ?? preset?.rho ?? 0.3
  const trainingRho = parameters.rho ?? preset?.trainingRho ?? rho

  const treeKs = [
    ...new Set([k, 2 * k, 4 * k].map((value) => Math.min(value, Math.max(k, MOST_NEIGHBOURS), mostNeighbours))),
  ]
  const longK = Math.min(mostNeighbours, Math.max(...treeKs, connectivityK, CALIBRATION_K))
  const longLists = await clock.measure('knn', () => knn(x, longK, control))
  const lists = shorterLists(longLists, k)
  const own: PartlyLabelled = { features: x, labels, lists: longLists }
  const company =
    input.inCompany && split.count < COMPANY_ENOUGH
      ? await clock.measure('company', () => inCompany(own, input.features, input.labels, seed, control))
      : undefined
  const measured: PartlyLabelled = company ?? own
  const vInput = await clock.measure('aggregate', () => gcnVInput(x, lists, control))
  const target = neighbourConfidence(lists, labels, parameters.scale ?? preset?.scale)

  const passes = Math.max(10, Math.min(PRACTICAL_GCN_V.epochs, Math.round(VERTEX_PASSES / x.rows)))
  const recipeV: TrainingRecipe = {
    ...PRACTICAL_GCN_V,
    epochs: fromModel ? Math.ceil(passes / 2) : passes,
    ...preset?.gcnV,
    ...parameters.gcnV,
  }
  const recipeE: TrainingRecipe = { ...(preset?.gcnE ?? PRACTICAL_GCN_E), ...parameters.gcnE }
  const optionsV = { recipe: recipeV, hidden: parameters.hidden ?? 512, seed, start: fromModel?.gcnV }
  const optionsE = {
    recipe: recipeE,
    convolutions: preset?.convolutions ?? CONVOLUTIONS,
    loss: parameters.loss ?? preset?.loss ?? ('nll' as const),
    seed,
  }

  const folds = await clock.measure('train_gcn_v', async () => {
    const trained = []
    for (const heldOut of split.folds) trained.push(await trainFold(heldOut))
    return trained
  })
  const neighbourCurve: NeighbourPoint[] = []
  const { raw, rebuilt, threshold } = await clock.measure('select', () => ({
    raw: bestCut('raw', () => measured.lists),
    rebuilt: bestCut('rebuilt', (fold) => fold.lists),
    threshold: chooseTau(
      measured.labels,
      folds.map(({ isCounted }) => ({
        isCounted,
        partition: (tau) => thresholdPartition(shorterLists(measured.lists, k), tau),
      })),
    ),
  }))
  const tree = preset || rebuilt.score >= raw.score ? rebuilt : raw

  let viaE: TauChoice | undefined
  if (parameters.connectivity ?? true) {
    viaE = await clock.measure('train_gcn_e', async () => {
      const chosen = []
      for (const fold of folds) {
        const sets = setsOf(fold, rho)
        const { weights } = await trainGcnE(
          { sets: setsOf(fold.alone, trainingRho), labels, fit: fold.fit, heldOut: fold.held },
          optionsE,
          control,
        )
        const { preferred } = await predictE(weights, sets)
        chosen.push(treeFold({ ...fold, lists: sets.lists, preferred }))
      }
      return chooseTau(measured.labels, chosen, preset?.tau.rebuilt)
    })
  }
  const usesNetwork = viaE !== undefined && (preset !== undefined || viaE.score >= tree.score + WORTH_OF_GCN_E)
  const connectivity = usesNetwork && viaE ? { ...viaE, k: connectivityK } : rebuilt

  const last = await clock.measure('refit_gcn_v', () =>
    trainGcnV({ input: vInput, target, fit: all, heldOut: new Int32Array(0) }, optionsV, control),
  )
  const gcnE = usesNetwork
    ? await clock.measure('refit_gcn_e', async () => {
        const sets = setsOf(await apply(last.weights, own), trainingRho)
        const { weights } = await trainGcnE({ sets, labels, fit: all, heldOut: new Int32Array(0) }, optionsE, control)
        return weights
      })
    : undefined

  const wanted = parameters.contenders ?? offeredContenders(measured.features.rows)
  // Lists as long as those that methods learn from: longer ones are for the run without a model alone.
  const set: LabelledSet = {
    ...measured,
    lists: shorterLists(measured.lists, longK),
    ...(company && { alone: own }),
    folds: split.folds,
    seed,
  }
  const { choice, chosen } = await clock.measure('choose_method', async () => {
    const spaces = await learnedSpaces(set, control)
    const contenders = [
      ...(await learnedContenders(set, wanted, (name, heldOut) => fitWithout(name, heldOut, set), control)),
      ...(await metricContenders(
        set,
        wanted,
        spaces,
        (name, fold) => fitWithout(name, split.folds[fold], spaces[fold]),
        control,
      )),
      ...plainContenders(set, wanted, { signal: control.signal }),
    ].sort((a, b) => simplicityRank(a) - simplicityRank(b))
    const labelFree = company && labelFreeContender({ ...set, ...company }, { signal: control.signal })
    const choice = await chooseMethod(set, contenders, treeStandings(), control, { labelFree })
    const all = labelFree ? [...contenders, labelFree] : contenders
    return { choice, chosen: all.find(({ settings }) => settings.includes(choice.parameters)) }
  })
  const calibration = await clock.measure('calibrate', () => calibrate(chosen, choice.parameters))
  const alsoTuned = (parameters.alsoTuned ?? []).filter((name) => !wanted.includes(name))
  const onlyTuned = await clock.measure('tune_others', async () => {
    const one: LabelledSet = { ...set, folds: set.folds.slice(0, 1) }
    const others = [
      ...(await learnedContenders(one, alsoTuned, (name, heldOut) => fitWithout(name, heldOut, one), control)),
      ...plainContenders(one, alsoTuned, { signal: control.signal }),
    ]
    const standings: Standing[] = []
    for (const contender of others) standings.push(await standingOf(contender, one.labels, one.folds, control))
    return standings
  })
  const usesMetric = choice.parameters.space === LEARNED_SPACE
  const metric = usesMetric ? await clock.measure('refit_metric', () => fitMetric(x, labels, seed)) : undefined
  const learned: Record<string, WeightArrays> = {}
  for (const name of [...wanted, ...alsoTuned]) {
    const method = findTrainable(name)
    if (!method) continue
    learned[name] = await clock.measure(`refit_${name.toLowerCase()}`, () =>
      method.train({ features: x, labels, lists: longLists, seed }, control),
    )
    if (!metric || name !== choice.method) continue
    learned[`${name}@${LEARNED_SPACE}`] = await clock.measure(`refit_${name.toLowerCase()}`, async () => {
      const features = await applyMetric(metric, x, control)
      const lists = await knn(features, longK, { signal: control.signal })
      return method.train({ features, labels, lists, seed }, control)
    })
  }

  const model: ClusteringModel = {
    embedderId,
    embeddingDimension: x.cols,
    seed,
    k,
    tree: { graph: tree === rebuilt ? 'rebuilt' : 'raw', raw: cutOf(raw), rebuilt: cutOf(rebuilt) },
    connectivity: { ...cutOf(connectivity), rho, usesNetwork },
    threshold: { k, tau: threshold.tau },
    calibration,
    heldOut: {
      gcnV: tree.score,
      gcnVE: usesNetwork ? connectivity.score : tree.score,
      threshold: threshold.score,
    },
    choice: {
      method: choice.method,
      parameters: choice.parameters,
      rows: choice.rows,
      table: [...choice.table, ...onlyTuned.map(({ method, parameters, score }) => ({ method, parameters, score }))],
      explanation: choice.explanation,
    },
    gcnV: last.weights,
    ...(gcnE && { gcnE }),
    ...(metric && { metric }),
    ...(Object.keys(learned).length > 0 && { learned }),
  }
  return {
    model,
    lossCurve: thin(folds[0].lossCurve, 500),
    report: {
      images: x.rows,
      identities: split.count,
      heldOutIdentities: split.folds.reduce((sum, heldOut) => sum + heldOut.size, 0),
      company: measured.features.rows - x.rows,
      k,
      heldOut: model.heldOut,
      curves: {
        raw: raw.curve,
        rebuilt: rebuilt.curve,
        ...(viaE && { gcnE: viaE.curve }),
        threshold: threshold.curve,
        neighbours: neighbourCurve,
      },
      explanation: explain(model, raw.score, rebuilt.score, viaE?.score, preset !== undefined),
      phases: clock.phases,
      backend,
    },
  }

  /** A trainable method without the identities of a fold, whose lists are those of the rows that remain. */
  async function fitWithout(
    name: string,
    heldOut: ReadonlySet<number>,
    space: { readonly features: Matrix },
  ): Promise<WeightArrays> {
    const rows = all.filter((v) => !heldOut.has(labels[v]))
    const features = selectRows(space.features, rows)
    const lists = await knn(features, Math.min(longK, Math.max(1, rows.length - 1)), { signal: control.signal })
    const method = findTrainable(name)
    if (!method) throw new EngineError('BAD_OPTION', `contenders must be trainable methods: got ${name}`)
    return method.train({ features, lists, labels: rows.map((v) => labels[v]), seed }, control)
  }

  /** GCN-V, and GCN-V+E where it is worth its time, as measured on the same folds. */
  function treeStandings(): Standing[] {
    const standing = (method: string, { crossedScores }: TauChoice): Standing => ({
      method,
      parameters: {},
      score: crossedScores.reduce((sum, score) => sum + score, 0) / crossedScores.length,
      byFold: crossedScores,
      tried: [],
    })
    return [...(usesNetwork && viaE ? [standing('GCN_VE', viaE)] : []), standing('GCN_V', tree)]
  }

  async function trainFold(heldOut: ReadonlySet<number>) {
    const isCounted = (label: number) => heldOut.has(label)
    const fit = all.filter((v) => !isCounted(labels[v]))
    const held = all.filter((v) => isCounted(labels[v]))
    const { weights, lossCurve } = await trainGcnV({ input: vInput, target, fit, heldOut: held }, optionsV, control)
    const alone = await apply(weights, own)
    return { isCounted, fit, held, lossCurve, alone, ...(company ? await apply(weights, company) : alone) }
  }

  /** Confidence of every vertex, and the lists rebuilt on F_L. */
  async function apply(weights: WeightArrays, rows: PartlyLabelled): Promise<Applied> {
    const parameters = toParameters(weights)
    try {
      const input = rows === own ? vInput : await gcnVInput(rows.features, shorterLists(rows.lists, k), control)
      const { confidence, hidden } = await gcnVPredict(parameters, input, { signal: control.signal })
      const features = unitHiddenRows(hidden)
      return {
        confidence,
        features,
        lists: await knn(features, longK, { signal: control.signal }),
      }
    } finally {
      disposeParameters(parameters)
    }
  }

  /**
   * Probabilities learnt on all labelled edges, then adjusted to what the chosen method makes of held-out identities. Company is
   * left out: whether an edge to an unlabelled vertex is right is not known.
   *
   * @param chosen absent where that is the tree
   */
  async function calibrate(chosen: Contender | undefined, setting: DecoderParameters): Promise<EdgeCalibration> {
    const base = fitCalibration(longLists, labels)
    if (!base) return priorCalibration(longLists, x, seed)
    const probability = edgeProbability(base, longLists)
    const chosenK = typeof setting.k === 'number' ? Math.min(setting.k, longLists.k) : longLists.k
    const all: Outcomes[] = []
    for (const [at, fold] of folds.entries()) {
      const { clusters, confidence, kept } = chosen
        ? {
            clusters: await (chosen.partitionAlone ?? chosen.partition)(setting, at),
            confidence: meanSimilarity(shorterLists(longLists, chosenK)),
            kept: undefined,
          }
        : cutTree(fold.alone)
      const forest = clusterForest(clusters, longLists, confidence, x, kept)
      const toParent = Float32Array.from(forest.parent, (u, v) =>
        u < 0 ? 1 : probability(v, u, forest.parentSimilarity[v], 'any'),
      )
      const company = expectedCompany(forest.parent, toParent, confidence)
      const merges = mergeCandidates(
        clusters,
        company,
        shorterLists(longLists, CALIBRATION_K),
        confidence,
        (v, u, similarity) => probability(v, u, similarity, 'any'),
      )
      const believed = { ...forest, clusters, toParent, merges, company }
      all.push(reviewOutcomes(believed, labels, (v) => fold.isCounted(labels[v])))
    }
    return adjustCalibration(base, {
      parent: all.flatMap(({ parent }) => parent),
      merge: all.flatMap(({ merge }) => merge),
      company: all.flatMap(({ company }) => company),
    })
  }

  function cutTree({ confidence, lists }: Applied) {
    const graph = shorterLists(tree === rebuilt ? lists : longLists, tree.k)
    const { labels, parent } = treePartition(graph, confidence, { tau: tree.tau })
    return { clusters: labels, confidence, kept: parent }
  }

  /** The number of neighbours and the threshold that do best, the fewer neighbours where they are equal; or the published ones. */
  function bestCut(graph: GraphKind, listsOf: (fold: (typeof folds)[number]) => NeighbourLists): TauChoice & TreeCut {
    const tau = preset?.tau[graph]
    const cuts = (preset ? [k] : treeKs).map((k) => ({
      ...chooseTau(
        measured.labels,
        folds.map((fold) => treeFold({ ...fold, lists: shorterLists(listsOf(fold), k) })),
        tau,
      ),
      k,
    }))
    neighbourCurve.push(...cuts.map(({ k, tau, pairwiseF, bcubedF }) => ({ graph, k, tau, pairwiseF, bcubedF })))
    return cuts.reduce((best, cut) => (cut.score > best.score ? cut : best))
  }

  function setsOf(applied: Applied, share: number): CandidateSets {
    return candidateSets(shorterLists(applied.lists, connectivityK), applied.features, applied.confidence, {
      rho: share,
    })
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

function presetOf(name: PresetName | undefined): Preset | undefined {
  if (name === undefined) return undefined
  if (presetNames.includes(name)) return PRESETS[name]
  throw new EngineError('BAD_OPTION', `preset must be one of ${presetNames.join(', ')}: got ${name}`)
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

function explain(
  { tree, connectivity, threshold, heldOut }: ClusteringModel,
  raw: number,
  rebuilt: number,
  viaE: number | undefined,
  isPreset: boolean,
): string {
  const percent = (score: number) => (100 * score).toFixed(1)
  const { k, tau } = tree[tree.graph]
  const network =
    viaE === undefined
      ? 'GCN-E was not trained.'
      : connectivity.usesNetwork
        ? `GCN-E chooses the edges: it gave ${percent(viaE)}.`
        : `GCN-E is passed over: it gave ${percent(viaE)}, no better than the nearest candidate beyond noise.`
  return (
    `Mean of pairwise and BCubed F on held-out identities: ${percent(raw)} on the graph of the embedding, ${percent(rebuilt)} on the ` +
    `graph rebuilt on GCN-V features, ${isPreset ? 'and' : 'so'} the ${tree.graph} graph is cut, at ${k} neighbours and tau ${tau.toFixed(2)}. ${network} ` +
    `A plain cosine threshold of ${threshold.tau.toFixed(2)} gave ${percent(heldOut.threshold)}.`
  )
}

const cutOf = ({ k, tau }: TreeCut): TreeCut => ({ k, tau })

function thin<T>(points: readonly T[], most: number): readonly T[] {
  if (points.length <= most) return points
  return Array.from({ length: most }, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))])
}

const clamp = (value: number, low: number, high: number) => Math.max(low, Math.min(high, value))
