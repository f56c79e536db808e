import { throwIfAborted } from './errors.ts'
import { chooseBackend } from './gcn/backend.ts'
import { candidateSets } from './gcn/candidate-sets.ts'
import {
  averageConfidence,
  type ConfidenceDesign,
  centreConfidence,
  densityConfidence,
  neighbourConfidence,
} from './gcn/confidence.ts'
import { gcnEPredict } from './gcn/gcn-e.ts'
import { gcnVInput, gcnVPredict } from './gcn/gcn-v.ts'
import { unitHiddenRows } from './gcn/hidden-features.ts'
import { disposeParameters, toParameters, type WeightArrays } from './gcn/parameters.ts'
import { PRACTICAL_GCN_E, PRACTICAL_GCN_V, trainGcnE, trainGcnV } from './gcn/train.ts'
import { knn } from './knn/knn.ts'
import { normalizeRows } from './knn/normalize-rows.ts'
import { selectRows, shorterLists } from './knn/sub-lists.ts'
import { evaluateClustering } from './metrics/evaluate-clustering.ts'
import { chooseTau } from './partition/choose-tau.ts'
import { treePartition } from './partition/tree-partition.ts'
import { identityFolds } from './selection/identity-folds.ts'
import type { Control, Labels, Matrix, NeighbourLists } from './types.ts'

export interface AblationInput {
  /** Labelled rows to learn from and to choose every tau on. */
  readonly train: { readonly features: Matrix; readonly labels: Labels }
  /** Rows of other identities, to score on. */
  readonly test: { readonly features: Matrix; readonly labels: Labels }
  readonly seed: number
  /** Neighbours of GCN-V and of the trees, the vertex itself not counted. Default 19. */
  readonly k?: number
  /** Neighbours of GCN-E. Default 39. */
  readonly connectivityK?: number
}

/** One variant on the test rows, cut at the tau that held-out identities of the training rows chose. */
export interface AblationRow {
  readonly variant: string
  readonly tau: number
  readonly pairwiseF: number
  readonly bcubedF: number
  readonly clusters: number
  /** Vertices that GCN-E decided for. */
  readonly asked?: number
}

export interface AblationOutput {
  /** Table 3 of the paper: which confidence, and the rebuilt graph. */
  readonly confidence: readonly AblationRow[]
  /** Figure 3: the share of vertices that GCN-E is applied to. */
  readonly rho: readonly AblationRow[]
  /** Table 4: edges a vertex keeps, and GCN-E without candidate sets. */
  readonly connections: readonly AblationRow[]
}

const DESIGNS: readonly ConfidenceDesign[] = ['u_num', 'u_weight', 's_avg', 's_center', 's_nbr']
const RHOS = [0, 0.1, 0.2, 0.3, 0.5, 1]
const CONNECTIONS = [1, 2, 3, 5]
/** Radius of the densities, a cosine distance: the middle of what separates classes in the sets at hand. */
const DENSITY_RADIUS = 0.3
const HELD_OUT_SHARE = 0.25
const FOLDS = 2
const HIDDEN = 512
const CONVOLUTIONS = [256, 256, 128, 128] as const
const PASSES = 120_000

/** A data set with everything that no variant changes. */
interface Prepared {
  readonly x: Matrix
  readonly labels: Labels
  readonly lists: NeighbourLists
  readonly input: Matrix
}

/** A network's view of a data set. */
interface View {
  readonly confidence: Float32Array
  readonly features: Matrix
  readonly rebuilt: NeighbourLists
}

/**
 * The ablations of the paper on any two labelled sets: confidence designs and rebuilt graph, rho, connections a vertex keeps
 * and candidate sets off. Every variant gets the tau that is best on held-out training identities.
 *
 * Source: [YANG20] tables 3 and 4, figure 3. Deterministic for a seed on one backend. @throws EngineError ABORTED.
 */
export async function ablate(input: AblationInput, control: Control = {}): Promise<AblationOutput> {
  const { seed, k = 19, connectivityK = 39 } = input
  await chooseBackend()
  const steps = DESIGNS.length + RHOS.length + CONNECTIONS.length + 1
  let done = 0
  const step = () => {
    throwIfAborted(control.signal)
    control.onProgress?.({ phase: 'ablate', completed: done++, total: steps })
  }
  const longest = Math.max(k, connectivityK)
  const [train, test] = [await prepare(input.train), await prepare(input.test)]
  const { folds } = identityFolds(train.labels, HELD_OUT_SHARE, FOLDS, seed)
  const all = Int32Array.from(train.labels.keys())
  const splits = folds.map((heldOut) => ({
    isCounted: (label: number) => heldOut.has(label),
    fit: all.filter((v) => !heldOut.has(train.labels[v])),
    held: all.filter((v) => heldOut.has(train.labels[v])),
  }))

  const confidence: AblationRow[] = []
  let seen: { folds: View[]; train: View; test: View } | undefined
  for (const design of DESIGNS) {
    step()
    const isDensity = design === 'u_num' || design === 'u_weight'
    const target = targetOf(design, train)
    const views: View[] = []
    let last: WeightArrays | undefined
    if (!isDensity) {
      for (const { fit, held } of splits) views.push(await view(train, await fitV(target, fit, held)))
      last = await fitV(target, all, new Int32Array(0))
    }
    const onTest = last && (await view(test, last))
    const partitions = splits.map(({ isCounted }, fold) => ({
      isCounted,
      partition: (tau: number) => treePartition(train.lists, views[fold]?.confidence ?? target, { tau }).labels,
    }))
    const { tau } = chooseTau(train.labels, partitions)
    const predicted = treePartition(test.lists, onTest?.confidence ?? targetOf(design, test), { tau }).labels
    confidence.push(row(design, tau, predicted))
    if (design === 's_nbr' && last && onTest) seen = { folds: views, train: await view(train, last), test: onTest }
  }
  if (!seen) throw new Error('s_nbr is among the designs')
  const { folds: folded, train: onTrain, test: onTest } = seen

  const variant = (
    name: string,
    partition: (view: View, tau: number, at: number) => Labels,
    asked?: number,
  ): AblationRow => {
    const { tau } = chooseTau(
      train.labels,
      splits.map(({ isCounted }, fold) => ({ isCounted, partition: (tau) => partition(folded[fold], tau, fold) })),
    )
    return { ...row(name, tau, partition(onTest, tau, folds.length)), ...(asked !== undefined && { asked }) }
  }
  const onRebuilt = ({ confidence, rebuilt }: View, tau: number, maxConnections = 1) =>
    treePartition(shorterLists(rebuilt, k), confidence, { tau, maxConnections }).labels
  confidence.push(variant('s_nbr^F', (v, tau) => onRebuilt(v, tau)))

  const connections: AblationRow[] = []
  for (const m of CONNECTIONS) {
    step()
    connections.push(variant(`M = ${m}`, (v, tau) => onRebuilt(v, tau, m)))
  }

  const rho: AblationRow[] = []
  const networks = await fitConnectivity('confident')
  for (const share of RHOS) {
    step()
    const { preferred, asked } = await connect(networks, share, 'confident')
    rho.push(
      variant(
        `rho = ${share}`,
        (v, tau, at) =>
          treePartition(shorterLists(v.rebuilt, connectivityK), v.confidence, { tau, preferred: preferred[at] }).labels,
        asked,
      ),
    )
  }
  step()
  const unordered = await connect(await fitConnectivity('all'), 1, 'all')
  connections.push(
    variant(
      'candidate sets off',
      (v, tau, at) =>
        treePartition(shorterLists(v.rebuilt, connectivityK), v.confidence, {
          tau,
          preferred: unordered.preferred[at],
          ignoresOrder: true,
        }).labels,
      unordered.asked,
    ),
  )
  return { confidence, rho, connections }

  async function prepare({ features, labels }: AblationInput['train']): Promise<Prepared> {
    const known = Int32Array.from(labels.keys()).filter((v) => labels[v] >= 0)
    const x = await normalizeRows(selectRows(features, known))
    const lists = await knn(x, Math.min(k, x.rows - 1), { signal: control.signal })
    return { x, labels: known.map((v) => labels[v]), lists, input: await gcnVInput(x, lists, control) }
  }

  function targetOf(design: ConfidenceDesign, { x, lists, labels }: Prepared): Float32Array {
    if (design === 's_nbr') return neighbourConfidence(lists, labels)
    if (design === 's_avg') return averageConfidence(x, labels)
    if (design === 's_center') return centreConfidence(x, labels)
    return densityConfidence(lists, { kind: design === 'u_num' ? 'count' : 'weight', radius: DENSITY_RADIUS })
  }

  async function fitV(target: Float32Array, fit: Int32Array, heldOut: Int32Array): Promise<WeightArrays> {
    const epochs = Math.max(10, Math.min(PRACTICAL_GCN_V.epochs, Math.round(PASSES / train.x.rows)))
    const recipe = { ...PRACTICAL_GCN_V, epochs }
    const { weights } = await trainGcnV(
      { input: train.input, target, fit, heldOut },
      { recipe, hidden: HIDDEN, seed },
      { signal: control.signal },
    )
    return weights
  }

  async function view(set: Prepared, weights: WeightArrays): Promise<View> {
    const parameters = toParameters(weights)
    try {
      const { confidence, hidden } = await gcnVPredict(parameters, set.input, { signal: control.signal })
      const features = unitHiddenRows(hidden)
      const rebuilt = await knn(features, Math.min(longest, features.rows - 1), { signal: control.signal })
      return { confidence, features, rebuilt }
    } finally {
      disposeParameters(parameters)
    }
  }

  /** GCN-E of each fold, then of all identities, each on the features of its own GCN-V. */
  async function fitConnectivity(candidates: 'confident' | 'all'): Promise<WeightArrays[]> {
    const networks: WeightArrays[] = []
    const options = { recipe: PRACTICAL_GCN_E, convolutions: CONVOLUTIONS, loss: 'nll' as const, seed }
    const everything = { fit: all, held: new Int32Array(0) }
    for (const [at, { fit, held }] of [...splits, everything].entries()) {
      const sets = setsOf(folded[at] ?? onTrain, 1, candidates)
      const { weights } = await trainGcnE({ sets, labels: train.labels, fit, heldOut: held }, options, {
        signal: control.signal,
      })
      networks.push(weights)
    }
    return networks
  }

  async function connect(networks: readonly WeightArrays[], share: number, candidates: 'confident' | 'all') {
    const preferred: Int32Array[] = []
    let asked = 0
    for (const [at, seen] of [...folded, onTest].entries()) {
      const sets = setsOf(seen, share, candidates)
      const parameters = toParameters(networks[at])
      try {
        preferred.push((await gcnEPredict(parameters, sets, { signal: control.signal })).preferred)
      } finally {
        disposeParameters(parameters)
      }
      asked = sets.vertices.length
    }
    return { preferred, asked }
  }

  function setsOf({ rebuilt, features, confidence }: View, rho: number, candidates: 'confident' | 'all') {
    return candidateSets(shorterLists(rebuilt, connectivityK), features, confidence, { rho, candidates })
  }

  function row(variant: string, tau: number, predicted: Labels): AblationRow {
    const { pairwise, bcubed, clusters } = evaluateClustering(predicted, test.labels)
    return { variant, tau, pairwiseF: pairwise.f, bcubedF: bcubed.f, clusters }
  }
}
