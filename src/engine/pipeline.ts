import { CALIBRATION_K, companyInMerges, edgeProbability, fitCalibration, priorCalibration } from './calibration.ts'
import type { Decoder, DecoderParameters } from './decoder.ts'
import { EngineError, throwIfAborted } from './errors.ts'
import { type BackendChoice, chooseBackend } from './gcn/backend.ts'
import { candidateSets } from './gcn/candidate-sets.ts'
import { meanSimilarity } from './gcn/confidence.ts'
import { gcnEPredict } from './gcn/gcn-e.ts'
import { gcnVInput, gcnVPredict } from './gcn/gcn-v.ts'
import { unitHiddenRows } from './gcn/hidden-features.ts'
import { disposeParameters, toParameters, type WeightArrays } from './gcn/parameters.ts'
import { knn, knnWithRecall } from './knn/knn.ts'
import { normalizeRows } from './knn/normalize-rows.ts'
import { shorterLists } from './knn/sub-lists.ts'
import { findMethod, findTrainable, methods, trainableMethods } from './methods.ts'
import { applyMetric } from './metric/learned-metric.ts'
import { type ClusteringModel, checkFits, type GraphKind } from './model.ts'
import { centroidEdges } from './partition/centroid-edges.ts'
import { constrainedPartition } from './partition/constrained-partition.ts'
import { countViolations } from './partition/constraint-index.ts'
import { cutDoubtfulEdges } from './partition/cut-doubtful-edges.ts'
import { enforceConstraints } from './partition/enforce-constraints.ts'
import { expectedCompany } from './partition/expected-company.ts'
import { clusterForest } from './partition/forest.ts'
import { type MergeCandidates, mergeCandidates } from './partition/merge-candidates.ts'
import { createPhaseClock, type Phase } from './phase-clock.ts'
import { chooseByLabels, modelChoice, parametersOf } from './selection/auto.ts'
import { LEARNED_SPACE } from './selection/choose-method.ts'
import type { Constraints, Control, Labels, Matrix, NeighbourLists } from './types.ts'

/** Knobs of a run. What is left out comes from the model, else from the method's own defaults. */
export interface ClusterParameters {
  /** Neighbours of each vertex, itself not counted. The paper's K counts it: K = 80 is k = 79. */
  readonly k?: number
  /** Unset: neighbours are exact. Set: they are sought in so many nearest k-means cells, and the recall is measured. */
  readonly probes?: number
  /** Only edges with a similarity strictly above this connect; on the rebuilt graph, similarity of F_L. */
  readonly tau?: number
  /** Share of vertices, the most confident first, that GCN-E is applied to. */
  readonly rho?: number
  /** GCN_V, GCN_VE with one connection: tree edges of a smaller calibrated probability are cut. Default 0, the paper's. */
  readonly minProbability?: number
  /** Edges each vertex keeps: 1 gives trees, more gives directed acyclic graphs. */
  readonly maxConnections?: number
  /** Clusters wanted, for methods that must be told. */
  readonly clusterCount?: number
  /** GCN_V: which graph is cut. */
  readonly graph?: GraphKind
  /** Pairs of clusters in `mergeCandidates`, in all and of each cluster. */
  readonly mergeLimit?: number
  readonly mergesPerCluster?: number
  readonly [name: string]: number | string | boolean | undefined
}

export interface ClusterInput {
  /** Embeddings, float32 [n, d], any norms above zero. */
  readonly features: Matrix
  /** AUTO, GCN_V, GCN_VE, or the name of any other method. */
  readonly method: string
  readonly model?: ClusteringModel
  /** Checked against the model where given. */
  readonly embedderId?: string
  readonly parameters?: ClusterParameters
  readonly constraints?: Constraints
  /** int32 [n]: identities where known, below 0 elsewhere; only used to calibrate probabilities. */
  readonly labels?: Labels
  readonly seed: number
}

/** A proposed partition and everything that review needs of it. n vertices, c clusters. */
export interface ClusterResult {
  /** int32 [n], dense from 0 in order of first appearance. */
  readonly labels: Labels
  /** float32 [n]; only its order counts. */
  readonly confidence: Float32Array
  /** int32 [n]: the more confident vertex each one hangs on, -1 for the root of a cluster. */
  readonly parent: Int32Array
  /** float32 [n]: cosine of the embeddings, 0 for a root. */
  readonly parentSimilarity: Float32Array
  /** float32 [n]: calibrated probability that vertex and parent are one identity, 1 for a root. */
  readonly parentProbability: Float32Array
  /** int32 [n]: the vertex and all below it. */
  readonly subtreeSize: Int32Array
  /** int32 [c] */
  readonly clusterSizes: Int32Array
  /** int32 [c] */
  readonly roots: Int32Array
  readonly mergeCandidates: MergeCandidates
  /** The affinity graph in short; similarities are cosines of the embeddings. */
  readonly graph: {
    readonly k: number
    readonly edges: number
    readonly medianNearestSimilarity: number
    readonly meanSimilarity: number
    /** Share of the true neighbours found: 1, or with `probes` as measured on a sample of rows. */
    readonly recall: number
  }
  /** Decisions in force that the partition honours. */
  readonly constraintsHonoured: number
  readonly parametersChosen: DecoderParameters
  /** What was done and why, in sentences. */
  readonly explanation: string
  readonly phases: readonly Phase[]
  readonly backend: BackendChoice
}

/** Neighbours where neither the caller nor a model says: the paper's K = 80. */
const DEFAULT_K = 79

interface Proposal {
  readonly labels: Labels
  readonly confidence?: Float32Array
  /** int32 [n]: the parents that the method itself chose. */
  readonly chosen?: Int32Array
  /** float32 [n]: P(same) of the chosen parent by GCN-E, NaN where it has not looked. */
  readonly connectivity?: Float32Array
  readonly parametersChosen: DecoderParameters
  readonly explanation: string
}

/** Every method that `clusterVertices` takes. */
export const clusterMethods = (): string[] => [
  'AUTO',
  'GCN_V',
  'GCN_VE',
  ...methods.map(({ name }) => name),
  ...trainableMethods.map(({ name }) => name),
]

/**
 * Groups vertices into proposed clusters: neighbour lists, confidence, connectivity, partition, and for review a tree in
 * every cluster and the merges worth asking about.
 *
 * AUTO takes what the model's training has measured to be best, or measures on the labels given, or takes the method that
 * needs none; the explanation says which and why.
 *
 * No result breaks a decision: GCN_V and GCN_VE partition under the constraints, the result of any other method is made to
 * honour them.
 *
 * @throws EngineError BAD_OPTION for an unknown method, a missing model or a bad parameter; BAD_WEIGHTS when the model
 *   belongs to another embedding; NOT_FINITE naming the row; CONTRADICTION naming the pairs; ABORTED within a second.
 * Deterministic for a seed on one backend. Inputs are not changed.
 */
export async function clusterVertices(input: ClusterInput, control: Control = {}): Promise<ClusterResult> {
  checkInput(input)
  if (input.method !== 'AUTO') return clusterBy({ ...input, metric: input.model?.metric }, control)
  const choice: Awaited<ReturnType<typeof chooseByLabels>> = input.model
    ? { ...modelChoice(input.model), metric: input.model.metric }
    : await chooseByLabels(input, control)
  const parameters = { ...parametersOf(choice, input.features.rows), ...input.parameters }
  const result = await clusterBy({ ...input, method: choice.method, parameters, metric: choice.metric }, control)
  return {
    ...result,
    parametersChosen: { method: choice.method, ...result.parametersChosen },
    explanation: `${choice.explanation} ${result.explanation}`,
  }
}

/** A run whose method is settled, and the metric that labels have taught, where they have. */
interface SettledInput extends ClusterInput {
  readonly metric?: WeightArrays
}

async function clusterBy(input: SettledInput, control: Control): Promise<ClusterResult> {
  const { method, model, parameters = {}, constraints, seed, metric } = input
  const clock = createPhaseClock(control)
  const backend = await chooseBackend()
  const x = await clock.measure('normalize', () => normalizeRows(input.features))
  const mostNeighbours = Math.max(1, x.rows - 1)
  const usesTree = method === 'GCN_V' || method === 'GCN_VE'
  const k = Math.min(mostNeighbours, parameters.k ?? learntK(input) ?? DEFAULT_K)
  const widestK = Math.max(k, CALIBRATION_K, usesTree && model ? model.k : 0)
  const { probes } = parameters
  const { lists: longLists, recall } = await clock.measure('knn', () =>
    knnWithRecall(x, Math.min(mostNeighbours, widestK), { ...control, probes, seed }),
  )
  const lists = shorterLists(longLists, k)
  const proposal = await clock.measure(method.toLowerCase(), () =>
    usesTree && model ? proposeByModel(x, model) : proposeByDecoder(x, lists),
  )
  throwIfAborted(control.signal)

  return clock.measure('review_forest', async () => {
    const confidence = proposal.confidence ?? meanSimilarity(lists)
    const calibration =
      (input.labels && fitCalibration(longLists, input.labels)) ??
      model?.calibration ??
      priorCalibration(longLists, x, seed)
    const probability = edgeProbability(calibration, longLists)
    const { minProbability = 0 } = parameters
    const cut =
      proposal.chosen && minProbability > 0
        ? cutDoubtfulEdges(
            proposal.chosen,
            (v, u) => probability(v, u, cosine(x, v, u), 'parent'),
            minProbability,
            constraints,
          )
        : { labels: proposal.labels, parent: proposal.chosen }
    const labels = usesTree ? cut.labels : enforceConstraints(proposal.labels, longLists, constraints)
    if (constraints && countViolations(labels, constraints) > 0) {
      throw new Error(`${method} broke a decision: the partition must honour all of them`)
    }
    const forest = clusterForest(labels, longLists, confidence, x, cut.parent)
    const questionLists = shorterLists(longLists, CALIBRATION_K)
    const parentProbability = new Float32Array(x.rows).fill(1)
    for (let v = 0; v < x.rows; v++) {
      const u = forest.parent[v]
      if (u < 0) continue
      const fromSimilarity = probability(v, u, forest.parentSimilarity[v], 'parent')
      const fromNetwork = u === proposal.chosen?.[v] ? proposal.connectivity?.[v] : undefined
      parentProbability[v] = blend(fromSimilarity, fromNetwork)
    }
    const sizeOf = (v: number) => forest.clusterSizes[labels[v]]
    const company = expectedCompany(forest.parent, parentProbability, confidence)
    return {
      labels,
      confidence,
      ...forest,
      parentProbability,
      mergeCandidates: mergeCandidates(
        labels,
        companyInMerges(calibration, company, sizeOf),
        questionLists,
        confidence,
        (v, u, similarity) => probability(v, u, similarity, 'merge', Math.min(sizeOf(v), sizeOf(u))),
        constraints,
        {
          limit: parameters.mergeLimit,
          perCluster: parameters.mergesPerCluster,
          between: await centroidEdges(labels, x, confidence, control),
        },
      ),
      graph: { ...summary(lists), recall },
      constraintsHonoured: constraints
        ? constraints.mustLinks.length / 2 + constraints.cannotLinks.length / 2 + constraints.excluded.length
        : 0,
      parametersChosen: proposal.parametersChosen,
      explanation:
        probes === undefined
          ? proposal.explanation
          : `${proposal.explanation} Neighbours were sought in cells, ${probes} probes: recall ${recall.toFixed(3)}.`,
      phases: clock.phases,
      backend,
    }
  })

  async function proposeByModel(x: Matrix, model: ClusteringModel): Promise<Proposal> {
    const { maxConnections = 1 } = parameters
    const vInput = await gcnVInput(x, shorterLists(longLists, model.k), control)
    const gcnV = toParameters(model.gcnV)
    const { confidence, hidden } = await gcnVPredict(gcnV, vInput, control).finally(() => disposeParameters(gcnV))
    // A rho that the caller names is obeyed wherever there are weights, also when validation passed them over.
    const appliesNetwork =
      method === 'GCN_VE' &&
      model.gcnE !== undefined &&
      (model.connectivity.usesNetwork || parameters.rho !== undefined)
    const graph = appliesNetwork ? 'rebuilt' : (parameters.graph ?? model.tree.graph)
    const tau = parameters.tau ?? (appliesNetwork ? model.connectivity.tau : model.tree[graph].tau)
    if (graph === 'raw') {
      const { labels, parent } = constrainedPartition(lists, confidence, { tau, maxConnections }, constraints)
      return {
        labels,
        confidence,
        chosen: parent,
        parametersChosen: { k, tau, maxConnections, graph },
        explanation: `GCN-V confidence; each vertex joins its nearest more confident neighbour above ${tau.toFixed(2)} in the graph of the embedding.`,
      }
    }
    const features = unitHiddenRows(hidden)
    const rebuilt = await knn(features, k, {
      probes,
      seed,
      signal: control.signal,
      onProgress: (progress) => control.onProgress?.({ ...progress, phase: 'rebuilt_knn' }),
    })
    let preferred: Int32Array | undefined
    let connectivity: Float32Array | undefined
    const rho = parameters.rho ?? model.connectivity.rho
    if (appliesNetwork && model.gcnE) {
      const sets = candidateSets(rebuilt, features, confidence, { rho })
      const gcnE = toParameters(model.gcnE)
      const choice = await gcnEPredict(gcnE, sets, control).finally(() => disposeParameters(gcnE))
      preferred = choice.preferred
      connectivity = choice.probability
    }
    const { labels, parent } = constrainedPartition(
      rebuilt,
      confidence,
      { tau, maxConnections, preferred },
      constraints,
    )
    const how = appliesNetwork
      ? `GCN-E chooses the edge of the ${Math.round(100 * rho)} % most confident vertices, the others join their nearest candidate`
      : method === 'GCN_VE'
        ? 'GCN-E is not used, since it was not worth its noise on held-out identities of the training: each vertex joins its nearest more confident neighbour'
        : 'each vertex joins its nearest more confident neighbour'
    return {
      labels,
      confidence,
      chosen: parent,
      connectivity: connectivity && keepWhere(connectivity, (v) => parent[v] === preferred?.[v]),
      parametersChosen: {
        k,
        tau,
        maxConnections,
        graph,
        ...(appliesNetwork && { rho }),
      },
      explanation: `GCN-V confidence on the graph rebuilt from its features; ${how}; edges at or below ${tau.toFixed(2)} are cut.`,
    }
  }

  async function proposeByDecoder(x: Matrix, lists: NeighbourLists): Promise<Proposal> {
    const given = Object.fromEntries(
      Object.entries(parameters).filter(([, value]) => value !== undefined),
    ) as DecoderParameters
    const chosen: DecoderParameters = { ...learntParameters(input), ...given }
    if (x.rows < 2) {
      const labels = Int32Array.from({ length: x.rows }, (_, v) => v)
      return { labels, parametersChosen: {}, explanation: 'There is nothing to group.' }
    }
    const seen = await spaceOf(x, chosen)
    const output = await decoderOf(input, chosen)({ ...seen, parameters: chosen, seed }, control)
    return {
      labels: output.labels,
      confidence: output.confidence,
      parametersChosen: { k, ...chosen, ...output.parametersChosen },
      explanation:
        (output.explanation ?? `${method} on the ${k} nearest neighbours of each vertex.`) +
        (seen.lists === lists ? '' : ' Similarities are those of the metric that labelled identities have taught.'),
    }
  }

  /** What the method looks at: the embedding itself, or as the learned metric sees it. */
  async function spaceOf(x: Matrix, { space = 'embedding' }: DecoderParameters) {
    if (space === 'embedding') return { features: x, lists }
    if (space !== LEARNED_SPACE) {
      throw new EngineError('BAD_OPTION', `space must be embedding or ${LEARNED_SPACE}: got ${space}`)
    }
    if (!metric) {
      throw new EngineError(
        'BAD_OPTION',
        'space learned needs a metric: got none; train a model whose choice uses one, or leave space out',
      )
    }
    const features = await applyMetric(metric, x, control)
    return { features, lists: await knn(features, k, { signal: control.signal, probes, seed }) }
  }
}

/** Neighbours that the training found best for a method. */
function learntK(input: ClusterInput): number | undefined {
  const { method, model, parameters = {} } = input
  if (!model) return undefined
  if (method === 'GCN_VE' && model.connectivity.usesNetwork) return model.connectivity.k
  if (method === 'GCN_V' || method === 'GCN_VE') return model.tree[parameters.graph ?? model.tree.graph].k
  const { k } = learntParameters(input)
  return typeof k === 'number' ? k : undefined
}

/** What the training found best for a method without a tree. */
function learntParameters({ method, model, features, parameters }: ClusterInput): DecoderParameters {
  const tried = model?.choice?.table.find((row) => row.method === method && row.parameters.space === parameters?.space)
  if (model && tried) return parametersOf({ ...tried, rows: model.choice?.rows ?? 0 }, features.rows)
  return method === 'THRESHOLD' && model ? { ...model.threshold } : {}
}

function decoderOf({ method, model }: ClusterInput, { space }: DecoderParameters): Decoder {
  const weights = model?.learned?.[space === LEARNED_SPACE ? `${method}@${LEARNED_SPACE}` : method]
  const decoder = weights ? findTrainable(method)?.decoder(weights) : findMethod(method)?.decode
  if (!decoder) {
    throw new EngineError(
      'BAD_OPTION',
      `the model must have learned ${method} in this space: got none; leave space out`,
    )
  }
  return decoder
}

/** Of two L2-normalised rows. */
function cosine({ data, cols }: Matrix, v: number, u: number): number {
  let sum = 0
  for (let d = 0; d < cols; d++) sum += data[v * cols + d] * data[u * cols + d]
  return sum
}

function checkInput({ features, method, model, embedderId, parameters = {}, labels }: ClusterInput): void {
  if (!clusterMethods().includes(method)) {
    throw new EngineError('BAD_OPTION', `method must be one of ${clusterMethods().join(', ')}: got ${method}`)
  }
  const isLearned = findTrainable(method) !== undefined
  if ((method === 'GCN_V' || method === 'GCN_VE' || isLearned) && !model) {
    throw new EngineError(
      'BAD_OPTION',
      `${method} needs a trained model: got none; train one, or choose a method without`,
    )
  }
  if (isLearned && !model?.learned?.[method]) {
    throw new EngineError(
      'BAD_OPTION',
      `the model must have learned ${method}: got ${Object.keys(model?.learned ?? {}).join(', ') || 'GCN-V and GCN-E only'}; train it with this method`,
    )
  }
  if (model) checkFits(model, features.cols, embedderId)
  if (parameters.k !== undefined && (!Number.isInteger(parameters.k) || parameters.k < 1)) {
    throw new EngineError('BAD_OPTION', `k must be a positive integer: got ${parameters.k}`)
  }
  if (parameters.probes !== undefined && (!Number.isInteger(parameters.probes) || parameters.probes < 1)) {
    throw new EngineError('BAD_OPTION', `probes must be a positive integer: got ${parameters.probes}`)
  }
  if (labels && labels.length !== features.rows) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `labels must have one value per row: got ${labels.length}, expected ${features.rows}`,
    )
  }
}

/** Two opinions on one edge, as the mean of their log-odds. */
function blend(p: number, q: number | undefined): number {
  if (q === undefined || Number.isNaN(q)) return p
  const odds = (value: number) => Math.log(Math.max(1e-6, value) / Math.max(1e-6, 1 - value))
  return 1 / (1 + Math.exp(-(odds(p) + odds(q)) / 2))
}

function keepWhere(values: Float32Array, isKept: (v: number) => boolean): Float32Array {
  return values.map((value, v) => (isKept(v) ? value : Number.NaN))
}

function summary({ n, k, ids, similarities }: NeighbourLists): Omit<ClusterResult['graph'], 'recall'> {
  const nearest: number[] = []
  let edges = 0
  let sum = 0
  for (let v = 0; v < n; v++) {
    if (ids[v * k] >= 0) nearest.push(similarities[v * k])
    for (let e = v * k; e < (v + 1) * k; e++) {
      if (ids[e] < 0) continue
      edges++
      sum += similarities[e]
    }
  }
  nearest.sort((a, b) => a - b)
  return {
    k,
    edges,
    medianNearestSimilarity: nearest.length === 0 ? 0 : nearest[nearest.length >> 1],
    meanSimilarity: edges === 0 ? 0 : sum / edges,
  }
}
