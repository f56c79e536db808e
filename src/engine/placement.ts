import { CALIBRATION_K, priorCalibration } from './calibration.ts'
import { EngineError, throwIfAborted } from './errors.ts'
import { chooseBackend } from './gcn/backend.ts'
import { loadKernels } from './kernels/select.ts'
import { normalizeRows } from './knn/normalize-rows.ts'
import { logistic, logit } from './logistic-regression.ts'
import { countViolations } from './partition/constraint-index.ts'
import { enforceConstraints } from './partition/enforce-constraints.ts'
import { expectedCompany } from './partition/expected-company.ts'
import { clusterForest } from './partition/forest.ts'
import { type EdgeSource, rankMerges } from './partition/merge-candidates.ts'
import { createPhaseClock } from './phase-clock.ts'
import type { ClusterResult } from './pipeline.ts'
import type { Constraints, Control, Labels, Matrix, NeighbourLists } from './types.ts'

/** A finished partition that new vertices are placed into; index i is row i of the features. */
export interface PlacementBase {
  /** int32 [n]: its clusters; below 0 = a new vertex. */
  readonly labels: Labels
  /** float32 [n]; of no meaning for new vertices, as everything below. */
  readonly confidence: Float32Array
  /** int32 [n]: -1 for roots. */
  readonly parent: Int32Array
  /** float32 [n] */
  readonly parentProbability: Float32Array
  /** The merges it proposed, as edges between vertices. */
  readonly merges: {
    readonly child: Int32Array
    readonly parent: Int32Array
    readonly similarity: Float32Array
    readonly probability: Float32Array
  }
}

export interface PlacementInput {
  /** Embeddings of all vertices, float32 [n, d], any norms above zero. */
  readonly features: Matrix
  readonly base: PlacementBase
  readonly constraints?: Constraints
  readonly seed: number
}

/** As of a full run; no graph of all vertices was built. */
export type PlacementResult = Omit<ClusterResult, 'graph'>

/** Neighbours that are asked where a vertex belongs: those that calibration looks at. */
const NEIGHBOURS = CALIBRATION_K
/** Old vertices among so many first neighbours of a new one are re-examined. */
const REACH = 5
/** Neighbours believed less than this speak against their cluster, a little each. */
const LEAST_BELIEF = 0.3
const DOUBT = 0.05
/** Rounds over new and re-examined vertices; mostly two are enough for nothing to move any more. */
const MAX_ROUNDS = 10
/** Least tree edges that beliefs can be read from. */
const EDGES_NEEDED = 20

/**
 * Places new vertices into a finished partition and re-examines only what they touch; every other vertex keeps its cluster.
 *
 * Each new vertex joins the cluster that its nearest neighbours speak for, the sum of P(same)^2 over those in it less a
 * little for each that is hardly believed, or stays for itself where that is below 0 for all; beliefs are those of the base
 * run, read off its tree edges. The old
 * vertices among its first neighbours are looked at again: one moves only where the new ones tip the balance, that is
 * where another cluster is ahead now and was not without them. Then human decisions are enforced along the trees. Cost: neighbours of
 * the new and the re-examined vertices only, instead of all.
 *
 * Without new vertices or new constraints the base comes back.
 *
 * Differs: the paper clusters a set once; it says nothing of what is added later.
 *
 * @throws EngineError SHAPE_MISMATCH, NOT_FINITE, CONTRADICTION, ABORTED. Deterministic; inputs are not changed.
 */
export async function placeVertices(input: PlacementInput, control: Control = {}): Promise<PlacementResult> {
  const { base, constraints, seed } = input
  const n = input.features.rows
  checkBase(base, n)
  const clock = createPhaseClock(control)
  const backend = await chooseBackend()
  const { kernels } = await loadKernels()
  const x = await clock.measure('normalize', () => normalizeRows(input.features))
  const k = Math.min(NEIGHBOURS, Math.max(1, n - 1))
  const search = (queries: Int32Array) =>
    queries.length === 0
      ? emptyLists(k)
      : kernels.knn(x, k, { queries, signal: control.signal, onProgress: control.onProgress })

  const fresh = Int32Array.from(base.labels.keys()).filter((v) => base.labels[v] < 0)
  const freshLists = await clock.measure('knn', () => search(fresh))
  const near = touchedBy(freshLists, base.labels)
  const nearLists = await clock.measure('knn_touched', () => search(near))
  throwIfAborted(control.signal)

  return clock.measure('place', () => {
    const asked = new Map<number, Neighbours>([...neighboursOf(fresh, freshLists), ...neighboursOf(near, nearLists)])
    const belief = beliefOf(base, x, freshLists, seed)
    const placed = settle(base.labels, fresh, near, asked, belief, constraints)
    const evidence = evidenceOf(base, x, asked, k)
    const confidence = confidenceOf(base, fresh, near, asked)
    const labels = enforceConstraints(placed, evidence, constraints)
    if (constraints && countViolations(labels, constraints) > 0) {
      throw new Error('a placement broke a decision: it must honour all of them')
    }
    const forest = clusterForest(labels, evidence, confidence, x, base.parent)
    const parentProbability = new Float32Array(n).fill(1)
    for (let v = 0; v < n; v++) {
      const u = forest.parent[v]
      if (u < 0) continue
      const isKept = base.labels[v] >= 0 && u === base.parent[v]
      parentProbability[v] = isKept ? base.parentProbability[v] : belief(forest.parentSimilarity[v])
    }
    const edges: EdgeSource = (visit) => {
      const { child, parent, similarity, probability } = base.merges
      for (const [i, v] of child.entries()) visit(v, parent[i], similarity[i], () => probability[i])
      for (const [v, { ids, similarities }] of asked) {
        for (const [i, u] of ids.entries()) visit(v, u, similarities[i], () => belief(similarities[i]))
      }
    }
    const company = expectedCompany(forest.parent, parentProbability, confidence)
    return {
      labels,
      confidence,
      ...forest,
      parentProbability,
      mergeCandidates: rankMerges(labels, company, confidence, edges, constraints),
      constraintsHonoured: constraints
        ? constraints.mustLinks.length / 2 + constraints.cannotLinks.length / 2 + constraints.excluded.length
        : 0,
      parametersChosen: { k },
      explanation: explain(base.labels, labels, fresh, near),
      phases: clock.phases,
      backend,
    }
  })
}

interface Neighbours {
  readonly ids: Int32Array
  readonly similarities: Float32Array
}

const emptyLists = (k: number): NeighbourLists => ({
  n: 0,
  k,
  ids: new Int32Array(0),
  similarities: new Float32Array(0),
})

/** Lists of the searched rows by vertex, without the empty slots. */
function* neighboursOf(queries: Int32Array, { k, ids, similarities }: NeighbourLists): Generator<[number, Neighbours]> {
  for (const [i, v] of queries.entries()) {
    let count = 0
    while (count < k && ids[i * k + count] >= 0) count++
    yield [v, { ids: ids.subarray(i * k, i * k + count), similarities: similarities.subarray(i * k, i * k + count) }]
  }
}

/** Old vertices among the first neighbours of new ones, ascending. */
function touchedBy({ n, k, ids }: NeighbourLists, labels: Labels): Int32Array {
  const found = new Set<number>()
  for (let i = 0; i < n; i++) {
    for (let slot = 0; slot < Math.min(REACH, k); slot++) {
      const u = ids[i * k + slot]
      if (u >= 0 && labels[u] >= 0) found.add(u)
    }
  }
  return Int32Array.from(found).sort()
}

/**
 * P(same) of a similarity as the base run believed: the straight line through the log-odds of its tree edges, or the prior
 * where there are too few of them, or where they say that likeness means nothing.
 */
function beliefOf(
  { labels, parent, parentProbability }: PlacementBase,
  x: Matrix,
  lists: NeighbourLists,
  seed: number,
): (similarity: number) => number {
  let [count, sumS, sumZ, sumSS, sumSZ] = [0, 0, 0, 0, 0]
  for (let v = 0; v < labels.length; v++) {
    if (labels[v] < 0 || parent[v] < 0) continue
    const s = cosine(x, v, parent[v])
    const z = Math.max(-9, Math.min(9, logit(parentProbability[v])))
    count++
    sumS += s
    sumZ += z
    sumSS += s * s
    sumSZ += s * z
  }
  const spread = count * sumSS - sumS * sumS
  const slope = spread > 1e-9 ? (count * sumSZ - sumS * sumZ) / spread : 0
  if (count >= EDGES_NEEDED && slope > 0) {
    const bias = (sumZ - slope * sumS) / count
    return (similarity) => logistic(bias + slope * similarity)
  }
  const prior = priorCalibration(lists, x, seed)
  return (similarity) => logistic(prior.bias + prior.similarity * similarity)
}

const voteOf = (p: number): number => (p < LEAST_BELIEF ? -DOUBT : p * p)

/** Where new and re-examined vertices belong: labels as in the base, new clusters numbered on. */
function settle(
  before: Labels,
  fresh: Int32Array,
  near: Int32Array,
  asked: ReadonlyMap<number, Neighbours>,
  belief: (similarity: number) => number,
  constraints?: Constraints,
): Labels {
  const labels = before.slice()
  let next = 0
  for (const label of before) next = Math.max(next, label + 1)
  const ownLabel = new Map<number, number>()
  for (const v of fresh) {
    ownLabel.set(v, next)
    labels[v] = next++
  }
  const { isBound, enemiesOf, matesOf, isExcluded } = bonds(constraints)
  // A new vertex that people have linked goes where its mates are.
  const placed = new Set<number>()
  for (const v of fresh) {
    const mate = matesOf(v).find((u) => before[u] >= 0)
    if (mate === undefined || isExcluded(v)) continue
    labels[v] = labels[mate]
    placed.add(v)
  }
  // The most typical first: others can then join them.
  const density = (v: number) => asked.get(v)?.similarities.reduce((sum, s) => sum + s, 0) ?? 0
  const order = [...fresh]
    .filter((v) => !placed.has(v) && !isExcluded(v))
    .sort((a, b) => density(b) - density(a) || a - b)
  const movable = [...near].filter((v) => !isBound(v))
  const isOld = (v: number) => before[v] >= 0

  const votes = (v: number, counts: (u: number) => boolean): Map<number, number> => {
    const sums = new Map<number, number>()
    const { ids, similarities } = asked.get(v) as Neighbours
    for (const [i, u] of ids.entries()) {
      if (!counts(u) || isExcluded(u)) continue
      sums.set(labels[u], (sums.get(labels[u]) ?? 0) + voteOf(belief(similarities[i])))
    }
    for (const enemy of enemiesOf(v)) sums.delete(labels[enemy])
    return sums
  }
  const best = (sums: ReadonlyMap<number, number>, otherwise: number): number => {
    let chosen = otherwise
    let most = sums.get(otherwise) ?? 0
    for (const [label, sum] of sums) {
      if (sum > most + 1e-9 || (sum > most - 1e-9 && sum > 0 && label < chosen)) [chosen, most] = [label, sum]
    }
    return chosen
  }

  for (let round = 0; round < MAX_ROUNDS; round++) {
    let moves = 0
    for (const v of order) {
      const own = ownLabel.get(v) as number
      const sums = votes(v, () => true)
      const stays = (sums.get(labels[v]) ?? 0) > 0 ? labels[v] : own
      const to = best(sums, stays)
      if (to === labels[v]) continue
      labels[v] = to
      moves++
    }
    for (const v of movable) {
      const now = votes(v, () => true)
      const to = best(now, labels[v])
      if (to === labels[v]) continue
      const without = votes(v, isOld)
      if ((without.get(to) ?? 0) > (without.get(labels[v]) ?? 0)) continue
      labels[v] = to
      moves++
    }
    if (moves === 0) break
  }
  return labels
}

/** What people have said of single vertices. */
function bonds(constraints?: Constraints) {
  const mates = new Map<number, number[]>()
  const enemies = new Map<number, number[]>()
  const excluded = new Set(constraints?.excluded)
  const note = (pairs: Int32Array, into: Map<number, number[]>) => {
    for (let e = 0; e < pairs.length; e += 2) {
      for (const [a, b] of [
        [pairs[e], pairs[e + 1]],
        [pairs[e + 1], pairs[e]],
      ]) {
        const known = into.get(a)
        if (known) known.push(b)
        else into.set(a, [b])
      }
    }
  }
  if (constraints) {
    note(constraints.mustLinks, mates)
    note(constraints.cannotLinks, enemies)
  }
  return {
    isExcluded: (v: number) => excluded.has(v),
    /** Bound vertices are where people want them: only the enforcement of decisions moves them. */
    isBound: (v: number) => mates.has(v) || enemies.has(v) || excluded.has(v),
    enemiesOf: (v: number) => enemies.get(v) ?? [],
    /** Stars of must-links have a radius of 1: mates of mates belong to them. */
    matesOf: (v: number) => (mates.get(v) ?? []).flatMap((u) => [u, ...(mates.get(u) ?? []).filter((w) => w !== v)]),
  }
}

/** Lists of the edges that are known: neighbours of what was looked at, and the base's tree for all others. */
function evidenceOf(
  { labels, parent }: PlacementBase,
  x: Matrix,
  asked: ReadonlyMap<number, Neighbours>,
  k: number,
): NeighbourLists {
  const n = labels.length
  const slots = k + 1
  const ids = new Int32Array(n * slots).fill(-1)
  const similarities = new Float32Array(n * slots)
  for (let v = 0; v < n; v++) {
    let at = v * slots
    const known = asked.get(v)
    if (known) {
      ids.set(known.ids, at)
      similarities.set(known.similarities, at)
      at += known.ids.length
    }
    if (labels[v] < 0 || parent[v] < 0 || known?.ids.includes(parent[v])) continue
    ids[at] = parent[v]
    similarities[at] = cosine(x, v, parent[v])
  }
  return { n, k: slots, ids, similarities }
}

/**
 * The base's confidence, and for new vertices what it was for old ones as dense as they are: a straight line through the
 * re-examined ones.
 */
function confidenceOf(
  base: PlacementBase,
  fresh: Int32Array,
  near: Int32Array,
  asked: ReadonlyMap<number, Neighbours>,
): Float32Array {
  const confidence = base.confidence.slice()
  const density = (v: number) => asked.get(v)?.similarities.reduce((sum, s) => sum + s, 1) ?? 1
  const known = near.length > 0 ? [...near] : [...base.labels.keys()].filter((v) => base.labels[v] >= 0)
  const meanDensity = known.reduce((sum, v) => sum + density(v), 0) / Math.max(1, known.length)
  const meanConfidence = known.reduce((sum, v) => sum + confidence[v], 0) / Math.max(1, known.length)
  let [covariance, variance] = [0, 0]
  for (const v of known) {
    covariance += (density(v) - meanDensity) * (confidence[v] - meanConfidence)
    variance += (density(v) - meanDensity) ** 2
  }
  const slope = known.length === 0 ? 1 : Math.max(0, variance > 1e-9 ? covariance / variance : 0)
  for (const v of fresh) confidence[v] = meanConfidence + slope * (density(v) - meanDensity)
  return confidence
}

function explain(before: Labels, after: Labels, fresh: Int32Array, near: Int32Array): string {
  const oldMembers = new Map<number, number>()
  for (const [v, label] of after.entries()) if (before[v] >= 0) oldMembers.set(label, (oldMembers.get(label) ?? 0) + 1)
  const joined = fresh.filter((v) => oldMembers.has(after[v])).length
  const began = new Set([...fresh].filter((v) => !oldMembers.has(after[v])).map((v) => after[v])).size
  return (
    `${fresh.length} new items: ${joined} joined clusters that were there, the others make ${began} new ones. ` +
    `${near.length} neighbours were examined again; everything else keeps its cluster.`
  )
}

/** Of two L2-normalised rows. */
function cosine({ data, cols }: Matrix, v: number, u: number): number {
  let sum = 0
  for (let d = 0; d < cols; d++) sum += data[v * cols + d] * data[u * cols + d]
  return sum
}

function checkBase(base: PlacementBase, n: number): void {
  for (const name of ['labels', 'confidence', 'parent', 'parentProbability'] as const) {
    if (base[name].length === n) continue
    throw new EngineError(
      'SHAPE_MISMATCH',
      `base.${name} must have one value per row: got ${base[name].length}, expected ${n}`,
    )
  }
  if (n < 2) throw new EngineError('SHAPE_MISMATCH', `a placement needs at least 2 rows: got ${n}`)
}
