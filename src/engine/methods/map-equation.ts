import { EngineError, throwIfAborted } from '../errors.ts'
import { nextTurn } from '../next-turn.ts'
import { denseLabels } from '../partition/labels.ts'
import { createRng } from '../rng.ts'
import type { Control, CsrGraph, Labels, Rng } from '../types.ts'

export interface MapEquationOptions {
  readonly seed: number
  /** Steps that the random walker takes between two code words: more gives fewer, larger modules. Default 1. */
  readonly markovTime?: number
  /** Runs from different random orders, of which the shortest code is kept. Default 1. */
  readonly trials?: number
  /** At most so many rounds of refinement a trial; each is linear in the edges. Default 20. */
  readonly maxRounds?: number
}

export interface MapPartition {
  readonly labels: Labels
  readonly modules: number
  /** Bits a step of the random walker, L(M). */
  readonly codelength: number
  /** Of everything in one module, which the result never exceeds. */
  readonly oneLevelCodelength: number
}

/** A move must save at least so many bits: less is rounding. */
const LEAST_SAVING = 1e-13
/** A round of refinement must save this share of the code to be followed by another. */
const LEAST_GAIN = 1e-9
/** Edges looked at between two looks at the abort signal. */
const EDGES_A_TURN = 4_000_000

/** x log2 x, 0 at 0. Rounding may leave a flow of nothing just below 0. */
const plogp = (x: number): number => (x > 0 ? x * Math.log2(x) : 0)

/** A network of flow: the walker visits node i with p_i, and leaves it for others with exit_i. */
interface FlowNetwork {
  readonly n: number
  readonly offsets: Float64Array
  readonly targets: Int32Array
  /** float32 [m] on the leaves, float64 above: times `scale` it is flow. */
  readonly weights: Float32Array | Float64Array
  readonly scale: number
  readonly visits: Float64Array
  readonly exits: Float64Array
}

/**
 * Modules of an undirected weighted network that describe a random walk on it in the fewest bits: the two-level map
 * equation, minimised by Infomap's search.
 *
 *   L(M) = plogp(sum_m q_m) - 2 sum_m plogp(q_m) - sum_i plogp(p_i) + sum_m plogp(q_m + sum_{i in m} p_i)
 *
 * with p_i = strength_i / 2W, q_m the flow out of module m, plogp(x) = x log2 x.
 *
 * Search: every vertex in a random order moves to the neighbouring module (or one of its own) that saves the most bits,
 * and wakes its neighbours, until nothing saves any; modules become vertices, and so on. Then rounds of refinement: single
 * vertices move again between the modules found (fine-tuning), modules are split into submodules that move as wholes
 * (coarse-tuning), and the result is aggregated again.
 *
 * Source: [ROSVALL08] eq. 1 for L; [EDLER17] for the search. `markovTime` t scales all flow between vertices, [KHEIRKHAHZADEH16].
 * Differs: a queue of woken vertices instead of sweeps over all, as in [TRAAG19]; submodules are found by moves that stay
 * within the module, as there, instead of by a search on each module's own network.
 *
 * @param graph symmetric; self loops count for no more than the strength of their vertex. Rows need not be sorted
 * @returns an isolated vertex is a module of its own
 * @throws EngineError BAD_OPTION, NOT_FINITE for a weight that is negative or no number, ABORTED.
 * Deterministic for a seed; each pass is linear in the edges; the graph is not changed.
 */
export async function minimiseMapEquation(
  graph: CsrGraph,
  options: MapEquationOptions,
  control: Control = {},
): Promise<MapPartition> {
  const { seed, markovTime = 1, trials = 1, maxRounds = 20 } = options
  if (!(markovTime > 0 && markovTime < Number.POSITIVE_INFINITY)) {
    throw new EngineError('BAD_OPTION', `markovTime must be a number above 0: got ${markovTime}`)
  }
  for (const [name, value] of Object.entries({ trials, maxRounds })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new EngineError('BAD_OPTION', `${name} must be a positive integer: got ${value}`)
    }
  }
  const leaves = flowNetwork(graph, markovTime)
  const pace = createPace(control, leaves.targets.length)
  const rng = createRng(seed)
  const oneLevelCodelength = codelengthOf(leaves, new Int32Array(leaves.n))
  let best: Int32Array | undefined
  let bestLength = Number.POSITIVE_INFINITY
  for (let trial = 0; trial < trials; trial++) {
    const modules = await search(leaves, rng, maxRounds, pace)
    const length = codelengthOf(leaves, modules)
    if (best && !(length < bestLength - LEAST_SAVING)) continue
    best = modules
    bestLength = length
  }
  // The search begins with single vertices and may stop short of the whole. Isolated vertices stay apart anyway.
  if (!best || oneLevelCodelength < bestLength - LEAST_SAVING) {
    best = leaves.visits.length === 0 ? new Int32Array(0) : connectedLeaves(leaves)
    bestLength = oneLevelCodelength
  }
  const { labels, count } = denseLabels(best)
  return { labels, modules: count, codelength: bestLength, oneLevelCodelength }
}

/**
 * The map equation of a given partition, in bits a step.
 *
 * @param labels int32 [n], any numbers
 * @throws EngineError SHAPE_MISMATCH, NOT_FINITE, BAD_OPTION
 */
export function mapEquation(graph: CsrGraph, labels: Int32Array, markovTime = 1): number {
  if (labels.length !== graph.n) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `labels must have one value per vertex: got ${labels.length}, expected ${graph.n}`,
    )
  }
  return codelengthOf(flowNetwork(graph, markovTime), denseLabels(labels).labels)
}

/** Everything with flow is one module; vertices without any are modules of their own. */
function connectedLeaves({ visits }: FlowNetwork): Int32Array {
  return Int32Array.from(visits, (p) => (p > 0 ? 0 : -1))
}

function flowNetwork({ n, offsets, targets, weights }: CsrGraph, markovTime: number): FlowNetwork {
  const visits = new Float64Array(n)
  const exits = new Float64Array(n)
  let total = 0
  for (let v = 0; v < n; v++) {
    for (let e = offsets[v]; e < offsets[v + 1]; e++) {
      const w = weights[e]
      if (!(w >= 0 && w < Number.POSITIVE_INFINITY)) {
        throw new EngineError('NOT_FINITE', `weights must be numbers of at least 0: got ${w} at vertex ${v}`)
      }
      visits[v] += w
      if (targets[e] !== v) exits[v] += w
    }
    total += visits[v]
  }
  const scale = total > 0 ? markovTime / total : 0
  for (let v = 0; v < n; v++) {
    visits[v] = total > 0 ? visits[v] / total : 0
    exits[v] *= scale
  }
  return { n, offsets, targets, weights, scale, visits, exits }
}

/** Looks at the abort signal once in so many edges, and lets others have their turn. */
interface Pace {
  spend(edges: number): Promise<void> | undefined
}

function createPace({ signal, onProgress }: Control, leafEdges: number): Pace {
  let spent = 0
  let sinceTurn = 0
  return {
    spend(edges) {
      spent += edges
      sinceTurn += edges
      if (sinceTurn < EDGES_A_TURN) return undefined
      sinceTurn = 0
      return nextTurn().then(() => {
        throwIfAborted(signal)
        onProgress?.({ phase: 'infomap', completed: Math.floor(spent / Math.max(1, leafEdges)) })
      })
    },
  }
}

/** One trial: module of each leaf, dense from 0. */
async function search(leaves: FlowNetwork, rng: Rng, maxRounds: number, pace: Pace): Promise<Int32Array> {
  let modules: Int32Array = Int32Array.from({ length: leaves.n }, (_, v) => v)
  await moveNodes(leaves, modules, rng, pace)
  modules = await aggregateAndMove(leaves, modules, rng, pace)
  let length = codelengthOf(leaves, modules)
  for (let round = 1; round < maxRounds; round++) {
    const fine = modules.slice()
    await moveNodes(leaves, fine, rng, pace)
    const parts = await submodules(leaves, fine, rng, pace)
    const coarse = await moveParts(leaves, fine, parts, rng, pace)
    const next = await aggregateAndMove(leaves, coarse, rng, pace)
    const nextLength = codelengthOf(leaves, next)
    if (!(nextLength < length)) break
    const gain = length - nextLength
    modules = next
    length = nextLength
    if (gain < LEAST_GAIN * length) break
  }
  return modules
}

/** Joins modules into larger ones until that saves nothing. */
async function aggregateAndMove(leaves: FlowNetwork, start: Int32Array, rng: Rng, pace: Pace): Promise<Int32Array> {
  const leafModules = start.slice()
  let network = leaves
  let modules = start.slice()
  for (;;) {
    const count = renumber(modules)
    if (network === leaves) leafModules.set(modules)
    else for (let v = 0; v < leafModules.length; v++) leafModules[v] = modules[leafModules[v]]
    if (count === network.n && network !== leaves) return leafModules
    network = aggregate(network, modules, count)
    modules = Int32Array.from({ length: count }, (_, v) => v)
    const moves = await moveNodes(network, modules, rng, pace)
    if (moves === 0) return leafModules
  }
}

/** Splits each module into the submodules that moves within it find. */
async function submodules(leaves: FlowNetwork, modules: Int32Array, rng: Rng, pace: Pace): Promise<Int32Array> {
  const parts = Int32Array.from({ length: leaves.n }, (_, v) => v)
  await moveNodes(leaves, parts, rng, pace, modules)
  renumber(parts)
  return parts
}

/** Lets submodules move as wholes, beginning with the modules that they are of. */
async function moveParts(
  leaves: FlowNetwork,
  modules: Int32Array,
  parts: Int32Array,
  rng: Rng,
  pace: Pace,
): Promise<Int32Array> {
  let count = 0
  for (const part of parts) count = Math.max(count, part + 1)
  const moduleOfPart = new Int32Array(count)
  for (let v = 0; v < parts.length; v++) moduleOfPart[parts[v]] = modules[v]
  renumber(moduleOfPart)
  await moveNodes(aggregate(leaves, parts, count), moduleOfPart, rng, pace)
  return parts.map((part) => moduleOfPart[part])
}

/** Module numbers made dense from 0, in place. @returns how many */
function renumber(modules: Int32Array): number {
  let highest = -1
  for (const m of modules) highest = Math.max(highest, m)
  const names = new Int32Array(highest + 1).fill(-1)
  let count = 0
  for (let v = 0; v < modules.length; v++) {
    const m = modules[v]
    if (names[m] < 0) names[m] = count++
    modules[v] = names[m]
  }
  return count
}

/**
 * Moves nodes to better modules until no single move saves bits.
 *
 * @param modules module of each node, all below n; changed in place
 * @param within where given, a node moves only among modules of nodes with its own value
 * @returns moves made
 */
async function moveNodes(
  network: FlowNetwork,
  modules: Int32Array,
  rng: Rng,
  pace: Pace,
  within?: Int32Array,
): Promise<number> {
  const { n, offsets, targets, weights, scale, visits, exits } = network
  const { flow, exit, sizes, totalExit } = moduleFlows(network, modules)
  // An empty module, for nodes that are better off alone.
  const empty: number[] = []
  for (let m = n - 1; m >= 0; m--) if (sizes[m] === 0) empty.push(m)
  const exitBits = exit.map(plogp)
  const bothBits = exit.map((q, m) => plogp(q + flow[m]))
  const flowTo = new Float64Array(n)
  const isNeighbour = new Uint8Array(n)
  const neighbours = new Int32Array(n)
  const order = rng.shuffle(Int32Array.from({ length: n }, (_, v) => v))
  // A ring: at most n nodes wait at a time.
  const isWaiting = new Uint8Array(n).fill(1)
  let head = 0
  let waiting = n
  let q = totalExit
  let moves = 0

  while (waiting > 0) {
    const v = order[head]
    head = head + 1 === n ? 0 : head + 1
    waiting--
    isWaiting[v] = 0
    if (exits[v] === 0) continue
    const from = offsets[v]
    const to = offsets[v + 1]
    const turn = pace.spend(to - from)
    if (turn) await turn

    const old = modules[v]
    let count = 0
    for (let e = from; e < to; e++) {
      const u = targets[e]
      if (u === v || (within && within[u] !== within[v])) continue
      const m = modules[u]
      if (isNeighbour[m] === 0) {
        isNeighbour[m] = 1
        flowTo[m] = 0
        neighbours[count++] = m
      }
      flowTo[m] += weights[e] * scale
    }
    const p = visits[v]
    const k = exits[v]
    const flowToOld = isNeighbour[old] === 1 ? flowTo[old] : 0
    const oldExit = exit[old] - k + 2 * flowToOld
    const oldFlow = flow[old] - p
    const isAlone = sizes[old] === 1
    const oldExitBits = isAlone ? 0 : plogp(oldExit)
    const oldBothBits = isAlone ? 0 : plogp(oldExit + oldFlow)
    const leaving = -2 * (oldExitBits - exitBits[old]) + (oldBothBits - bothBits[old])
    const nowBits = plogp(q)
    let best = old
    let bestChange = -LEAST_SAVING
    for (let i = 0; i <= count; i++) {
      const m = i < count ? neighbours[i] : isAlone || empty.length === 0 ? old : empty[empty.length - 1]
      if (m === old) continue
      const flowToNew = i < count ? flowTo[m] : 0
      const newExit = exit[m] + k - 2 * flowToNew
      const total = q + 2 * flowToOld - 2 * flowToNew
      const change =
        plogp(total) -
        nowBits +
        leaving -
        2 * (plogp(newExit) - exitBits[m]) +
        (plogp(newExit + flow[m] + p) - bothBits[m])
      if (change < bestChange || (change === bestChange && m < best && best !== old)) {
        bestChange = change
        best = m
      }
    }
    const flowToBest = isNeighbour[best] === 1 ? flowTo[best] : 0
    for (let i = 0; i < count; i++) isNeighbour[neighbours[i]] = 0
    if (best === old) continue

    moves++
    q += 2 * flowToOld - 2 * flowToBest
    if (sizes[best] === 0) empty.pop()
    sizes[old]--
    sizes[best]++
    exit[old] = isAlone ? 0 : oldExit
    flow[old] = isAlone ? 0 : oldFlow
    exitBits[old] = oldExitBits
    bothBits[old] = oldBothBits
    if (isAlone) empty.push(old)
    exit[best] += k - 2 * flowToBest
    flow[best] += p
    exitBits[best] = plogp(exit[best])
    bothBits[best] = plogp(exit[best] + flow[best])
    modules[v] = best
    for (let e = from; e < to; e++) {
      const u = targets[e]
      if (isWaiting[u] === 1 || modules[u] === best || (within && within[u] !== within[v])) continue
      isWaiting[u] = 1
      let tail = head + waiting
      if (tail >= n) tail -= n
      order[tail] = u
      waiting++
    }
  }
  return moves
}

/** Visits, exits and nodes of each module number below n. */
function moduleFlows(
  { n, offsets, targets, weights, scale, visits }: FlowNetwork,
  modules: Int32Array,
): { flow: Float64Array; exit: Float64Array; sizes: Int32Array; totalExit: number } {
  const flow = new Float64Array(n)
  const exit = new Float64Array(n)
  const sizes = new Int32Array(n)
  let totalExit = 0
  for (let v = 0; v < n; v++) {
    const m = modules[v]
    let out = 0
    for (let e = offsets[v]; e < offsets[v + 1]; e++) if (modules[targets[e]] !== m) out += weights[e]
    flow[m] += visits[v]
    exit[m] += out * scale
    totalExit += out * scale
    sizes[m]++
  }
  return { flow, exit, sizes, totalExit }
}

function codelengthOf(network: FlowNetwork, modules: Int32Array): number {
  const { flow, exit, totalExit } = moduleFlows(network, modules)
  let bits = plogp(totalExit)
  for (let m = 0; m < flow.length; m++) bits += plogp(exit[m] + flow[m]) - 2 * plogp(exit[m])
  for (const p of network.visits) bits -= plogp(p)
  return bits
}

/** Modules as nodes; what flows within one is not kept, since it never counts again. */
function aggregate(network: FlowNetwork, modules: Int32Array, count: number): FlowNetwork {
  const { n, offsets, targets, weights, scale, visits } = network
  const members = new Int32Array(n)
  const starts = new Int32Array(count + 1)
  for (let v = 0; v < n; v++) starts[modules[v] + 1]++
  for (let m = 0; m < count; m++) starts[m + 1] += starts[m]
  const next = starts.slice()
  for (let v = 0; v < n; v++) members[next[modules[v]]++] = v

  const flowTo = new Float64Array(count)
  const seenBy = new Int32Array(count).fill(-1)
  const touched = new Int32Array(count)
  const newOffsets = new Float64Array(count + 1)
  const newVisits = new Float64Array(count)
  const newExits = new Float64Array(count)
  let size = 0
  for (let m = 0; m < count; m++) {
    for (let i = starts[m]; i < starts[m + 1]; i++) {
      for (let e = offsets[members[i]]; e < offsets[members[i] + 1]; e++) {
        const other = modules[targets[e]]
        if (other === m || seenBy[other] === m) continue
        seenBy[other] = m
        size++
      }
    }
  }
  const newTargets = new Int32Array(size)
  const newWeights = new Float64Array(size)
  seenBy.fill(-1)
  let at = 0
  for (let m = 0; m < count; m++) {
    let different = 0
    for (let i = starts[m]; i < starts[m + 1]; i++) {
      const v = members[i]
      newVisits[m] += visits[v]
      for (let e = offsets[v]; e < offsets[v + 1]; e++) {
        const other = modules[targets[e]]
        if (other === m) continue
        if (seenBy[other] !== m) {
          seenBy[other] = m
          flowTo[other] = 0
          touched[different++] = other
        }
        flowTo[other] += weights[e] * scale
      }
    }
    for (let i = 0; i < different; i++) {
      newTargets[at] = touched[i]
      newWeights[at++] = flowTo[touched[i]]
      newExits[m] += flowTo[touched[i]]
    }
    newOffsets[m + 1] = at
  }
  return {
    n: count,
    offsets: newOffsets,
    targets: newTargets,
    weights: newWeights,
    scale: 1,
    visits: newVisits,
    exits: newExits,
  }
}
