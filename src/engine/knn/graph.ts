import { throwIfAborted } from '../errors.ts'
import { nextTurn } from '../next-turn.ts'
import type { Control, CsrGraph, NeighbourLists } from '../types.ts'

export interface AffinityOptions {
  /** Edges below this cosine similarity are left out. Default 0. */
  readonly minSimilarity?: number
  /** Add an edge of weight 1 from every vertex to itself. Default true. */
  readonly selfLoops?: boolean
  /** Divide each row by its sum, so that a product with it is a mean. Default true. */
  readonly rowNormalise?: boolean
}

/**
 * The affinity graph of the paper: neighbour lists made symmetric by the larger of both directions, with self loops,
 * rows divided by their sums.
 *
 * Source: [YANG20] section 3.2 and the released `build_symmetric_adj`, `row_normalize`: A = max(A, A^T) + I,
 * then D^-1 A. A row whose sum is not positive is left as it is.
 *
 * @returns CSR, targets of a row ascending. Linear in the number of edges; the lists are not changed.
 */
export function affinityGraph(lists: NeighbourLists, options: AffinityOptions = {}): CsrGraph {
  const { minSimilarity = 0, selfLoops = true, rowNormalise = true } = options
  const incoming = transpose(listEdges(lists, minSimilarity))
  // Transposing sorts each row by target, so the two directions merge like sorted lists.
  const outgoing = transpose(incoming)
  const graph = mergeMax(outgoing, incoming, selfLoops)
  if (rowNormalise) divideRowsBySum(graph)
  return graph
}

/** Some rows of a graph, whose targets are rows of the whole. */
export interface GraphBlock {
  readonly firstRow: number
  readonly graph: CsrGraph
}

export interface AffinityBlockOptions extends AffinityOptions, Pick<Control, 'signal'> {
  /** Where to begin. Default 0. */
  readonly firstRow?: number
  /** Rows a block. Default 262,144. */
  readonly blockRows?: number
}

/** Rows of lists gone through between two looks at the abort signal. */
const ROWS_A_TURN = 1 << 18

/**
 * The rows of `affinityGraph`, bit for bit, block after block, for graphs that shall not be in memory whole.
 *
 * Each block goes through all lists twice, since any row may name a row of the block.
 */
export async function* affinityBlocks(
  lists: NeighbourLists,
  options: AffinityBlockOptions = {},
): AsyncGenerator<GraphBlock, void> {
  const {
    firstRow = 0,
    blockRows = 262_144,
    minSimilarity = 0,
    selfLoops = true,
    rowNormalise = true,
    signal,
  } = options
  for (let first = firstRow; first < lists.n; first += blockRows) {
    const count = Math.min(blockRows, lists.n - first)
    const incoming = await incomingEdges(lists, first, count, minSimilarity, signal)
    const graph = mergeMax(outgoingEdges(lists, first, count, minSimilarity), incoming, selfLoops, first)
    if (rowNormalise) divideRowsBySum(graph)
    yield { firstRow: first, graph }
  }
}

/** Edge (u, v) for each edge (v, u) whose u is in the block; rows come out sorted by target. */
async function incomingEdges(
  { n, k, ids, similarities }: NeighbourLists,
  first: number,
  count: number,
  minSimilarity: number,
  signal?: AbortSignal,
): Promise<CsrGraph> {
  const offsets = new Float64Array(count + 1)
  for (let from = 0; from < n; from += ROWS_A_TURN) {
    await nextTurn()
    throwIfAborted(signal)
    for (let v = from; v < Math.min(n, from + ROWS_A_TURN); v++) {
      for (let e = v * k; e < (v + 1) * k; e++) {
        const at = ids[e] - first
        if (at >= 0 && at < count && similarities[e] >= minSimilarity && ids[e] !== v) offsets[at + 1]++
      }
    }
  }
  for (let v = 0; v < count; v++) offsets[v + 1] += offsets[v]
  const next = offsets.slice()
  const targets = new Int32Array(offsets[count])
  const weights = new Float32Array(offsets[count])
  for (let from = 0; from < n; from += ROWS_A_TURN) {
    await nextTurn()
    throwIfAborted(signal)
    for (let v = from; v < Math.min(n, from + ROWS_A_TURN); v++) {
      for (let e = v * k; e < (v + 1) * k; e++) {
        const at = ids[e] - first
        if (!(at >= 0 && at < count && similarities[e] >= minSimilarity && ids[e] !== v)) continue
        targets[next[at]] = v
        weights[next[at]++] = similarities[e]
      }
    }
  }
  return { n: count, offsets, targets, weights }
}

/** The block's own lists, rows sorted by target. */
function outgoingEdges(
  { k, ids, similarities }: NeighbourLists,
  first: number,
  count: number,
  minSimilarity: number,
): CsrGraph {
  const offsets = new Float64Array(count + 1)
  const targets = new Int32Array(count * k)
  const weights = new Float32Array(count * k)
  // Target and slot in one number: sorting numbers needs no comparing function.
  const keys = new Float64Array(k)
  let m = 0
  for (let v = 0; v < count; v++) {
    const list = (first + v) * k
    let kept = 0
    for (let slot = 0; slot < k; slot++) {
      const u = ids[list + slot]
      if (u >= 0 && u !== first + v && similarities[list + slot] >= minSimilarity) keys[kept++] = u * k + slot
    }
    keys.subarray(0, kept).sort()
    for (let i = 0; i < kept; i++) {
      const slot = keys[i] % k
      targets[m] = ids[list + slot]
      weights[m++] = similarities[list + slot]
    }
    offsets[v + 1] = m
  }
  return { n: count, offsets, targets: targets.subarray(0, m), weights: weights.subarray(0, m) }
}

function listEdges({ n, k, ids, similarities }: NeighbourLists, minSimilarity: number): CsrGraph {
  const offsets = new Float64Array(n + 1)
  const targets = new Int32Array(ids.length)
  const weights = new Float32Array(ids.length)
  let m = 0
  for (let v = 0; v < n; v++) {
    for (let e = v * k; e < (v + 1) * k; e++) {
      if (ids[e] < 0 || ids[e] === v || !(similarities[e] >= minSimilarity)) continue
      targets[m] = ids[e]
      weights[m++] = similarities[e]
    }
    offsets[v + 1] = m
  }
  return { n, offsets, targets: targets.subarray(0, m), weights: weights.subarray(0, m) }
}

/** Edge (u, v) for each edge (v, u); rows come out sorted by target. */
export function transpose({ n, offsets, targets, weights }: CsrGraph): CsrGraph {
  const m = offsets[n]
  const turned = new Float64Array(n + 1)
  for (let e = 0; e < m; e++) turned[targets[e] + 1]++
  for (let v = 0; v < n; v++) turned[v + 1] += turned[v]
  const next = turned.slice()
  const turnedTargets = new Int32Array(m)
  const turnedWeights = new Float32Array(m)
  for (let v = 0; v < n; v++) {
    for (let e = offsets[v]; e < offsets[v + 1]; e++) {
      const at = next[targets[e]]++
      turnedTargets[at] = v
      turnedWeights[at] = weights[e]
    }
  }
  return { n, offsets: turned, targets: turnedTargets, weights: turnedWeights }
}

/** Of two graphs whose rows are sorted by target. Row v is vertex `firstRow + v`. */
function mergeMax(a: CsrGraph, b: CsrGraph, selfLoops: boolean, firstRow = 0): CsrGraph {
  const { n } = a
  const capacity = a.offsets[n] + b.offsets[n] + (selfLoops ? n : 0)
  const offsets = new Float64Array(n + 1)
  const targets = new Int32Array(capacity)
  const weights = new Float32Array(capacity)
  let m = 0
  for (let v = 0; v < n; v++) {
    let i = a.offsets[v]
    let j = b.offsets[v]
    let selfPending = selfLoops
    while (i < a.offsets[v + 1] || j < b.offsets[v + 1] || selfPending) {
      const left = i < a.offsets[v + 1] ? a.targets[i] : Infinity
      const right = j < b.offsets[v + 1] ? b.targets[j] : Infinity
      const target = Math.min(left, right, selfPending ? firstRow + v : Infinity)
      if (target === firstRow + v && selfPending) {
        selfPending = false
        weights[m] = 1
      } else {
        weights[m] = Math.max(left === target ? a.weights[i] : -Infinity, right === target ? b.weights[j] : -Infinity)
        if (left === target) i++
        if (right === target) j++
      }
      targets[m++] = target
    }
    offsets[v + 1] = m
  }
  return { n, offsets, targets: targets.slice(0, m), weights: weights.slice(0, m) }
}

function divideRowsBySum({ n, offsets, weights }: CsrGraph): void {
  for (let v = 0; v < n; v++) {
    let sum = 0
    for (let e = offsets[v]; e < offsets[v + 1]; e++) sum += weights[e]
    if (!(sum > 0)) continue
    for (let e = offsets[v]; e < offsets[v + 1]; e++) weights[e] /= sum
  }
}
