import { EngineError } from '../errors.ts'
import type { Labels, Matrix, NeighbourLists } from '../types.ts'

/**
 * The designs of vertex confidence compared in [YANG20] table 3, by their names there. u_num and u_weight need no
 * labels, the others are what GCN-V learns. Each list is taken with the vertex itself in it (similarity 1), as the
 * released code has it.
 */
export type ConfidenceDesign = 'u_num' | 'u_weight' | 's_avg' | 's_center' | 's_nbr'

/** What s_nbr is divided by. All give the same partition, since only the order counts. */
export type NeighbourScale =
  /** The largest absolute value over all vertices: the released code. */
  | 'global-max'
  /** The longest list, |N_i| of eq. 1. */
  | 'list-length'

/**
 * s_nbr: similarities to neighbours of the same class minus similarities to all others.
 *
 * Source: [YANG20] eq. 1, c_i = 1/|N_i| sum over j in N_i of (1[y_j = y_i] - 1[y_j != y_i]) a_ij.
 * A vertex without neighbours counts only itself. Neighbours without a label (below 0) count as another class.
 *
 * @param labels int32 [n]
 * @returns float32 [n], -1..1
 */
export function neighbourConfidence(
  lists: NeighbourLists,
  labels: Labels,
  scale: NeighbourScale = 'global-max',
): Float32Array {
  const { n, k, ids, similarities } = lists
  checkLength('labels', labels.length, n)
  const confidence = new Float32Array(n)
  let largest = 0
  for (let v = 0; v < n; v++) {
    let sum = 1
    for (let e = v * k; e < (v + 1) * k; e++) {
      if (ids[e] < 0) continue
      sum += labels[v] >= 0 && labels[ids[e]] === labels[v] ? similarities[e] : -similarities[e]
    }
    confidence[v] = sum
    largest = Math.max(largest, Math.abs(sum))
  }
  const divisor = scale === 'global-max' ? largest || 1 : k + 1
  for (let v = 0; v < n; v++) confidence[v] /= divisor
  return confidence
}

/**
 * s_center: similarity to the mean of the class, the mean not renormalised.
 *
 * @param x L2-normalised rows, float32 [n, d]
 * @param labels int32 [n]; a vertex without a label (below 0) is a class of its own
 * @returns float32 [n]
 */
export function centreConfidence(x: Matrix, labels: Labels): Float32Array {
  return classConfidence(x, labels, (dot, _self, size) => dot / size)
}

/**
 * s_avg: mean similarity to the other vertices of the class; 1 for a class of one.
 *
 * Differs: the released code removes each vertex from its class for good, so later averages are over fewer members.
 *
 * @param x L2-normalised rows, float32 [n, d]
 * @param labels int32 [n]; a vertex without a label (below 0) is a class of its own
 * @returns float32 [n]
 */
export function averageConfidence(x: Matrix, labels: Labels): Float32Array {
  return classConfidence(x, labels, (dot, self, size) => (size === 1 ? 1 : (dot - self) / (size - 1)))
}

/**
 * u_num, u_weight: how many neighbours lie nearer than a radius, or the sum of their similarities; itself counted.
 *
 * @param options.radius cosine distance, strictly below; Infinity takes the whole list
 * @returns float32 [n]
 */
export function densityConfidence(
  { n, k, ids, similarities }: NeighbourLists,
  options: { readonly kind: 'count' | 'weight'; readonly radius: number },
): Float32Array {
  const { kind, radius } = options
  if (!(radius > 0)) throw new EngineError('BAD_OPTION', `radius must be a distance above 0: got ${radius}`)
  const confidence = new Float32Array(n)
  for (let v = 0; v < n; v++) {
    let sum = 1
    for (let e = v * k; e < (v + 1) * k; e++) {
      if (ids[e] < 0 || !(1 - similarities[e] < radius)) continue
      sum += kind === 'count' ? 1 : similarities[e]
    }
    confidence[v] = sum
  }
  return confidence
}

function classConfidence(
  x: Matrix,
  labels: Labels,
  value: (dotWithSum: number, dotWithSelf: number, size: number) => number,
): Float32Array {
  const { rows: n, cols: d, data } = x
  checkLength('labels', labels.length, n)
  const classOf = new Map<number, number>()
  const number = new Int32Array(n)
  let classes = 0
  for (let v = 0; v < n; v++) {
    const known = labels[v] < 0 ? undefined : classOf.get(labels[v])
    number[v] = known ?? classes
    if (known !== undefined) continue
    if (labels[v] >= 0) classOf.set(labels[v], classes)
    classes++
  }
  const sums = new Float64Array(classes * d)
  const sizes = new Float64Array(classes)
  for (let v = 0; v < n; v++) {
    sizes[number[v]]++
    for (let c = 0; c < d; c++) sums[number[v] * d + c] += data[v * d + c]
  }
  const confidence = new Float32Array(n)
  for (let v = 0; v < n; v++) {
    let dot = 0
    let self = 0
    for (let c = 0; c < d; c++) {
      dot += data[v * d + c] * sums[number[v] * d + c]
      self += data[v * d + c] * data[v * d + c]
    }
    confidence[v] = value(dot, self, sizes[number[v]])
  }
  return confidence
}

function checkLength(name: string, got: number, n: number): void {
  if (got !== n)
    throw new EngineError('SHAPE_MISMATCH', `${name} must have one value per vertex: got ${got}, expected ${n}`)
}

/** u_weight over whole lists, divided by their length: on the scale of equation 1, -1 to 1, where a method has no confidence of its own. */
export const meanSimilarity = (lists: NeighbourLists): Float32Array =>
  densityConfidence(lists, { kind: 'weight', radius: Number.POSITIVE_INFINITY }).map((sum) => sum / (lists.k + 1))
