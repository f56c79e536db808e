import { Matrix as Dense, SingularValueDecomposition } from 'ml-matrix'
import type { Decoder } from '../decoder.ts'
import { EngineError, throwIfAborted } from '../errors.ts'
import { shorterLists } from '../knn/sub-lists.ts'
import { nextTurn } from '../next-turn.ts'
import { denseLabels } from '../partition/labels.ts'
import { createRng } from '../rng.ts'
import type { Control, CsrGraph, Labels, NeighbourLists, Rng } from '../types.ts'
import { edgeGraph } from './edge-graph.ts'
import { topEigenvectors } from './eigenvectors.ts'
import type { Method } from './method.ts'
import { countOf } from './parameter.ts'

/** scikit-learn's graph has ten neighbours, the vertex itself counted. */
const NEIGHBOURS = 9
const MOST_CLUSTERS = 600
const MAX_ROTATIONS = 30

const decode: Decoder = async ({ lists, features, parameters, seed }, control = {}) => {
  const n = features.rows
  const clusterCount = countOf(
    parameters,
    'clusterCount',
    Math.max(1, Math.min(MOST_CLUSTERS, Math.round(Math.sqrt(n / 2)))),
    [1, n],
  )
  const neighbours = countOf(parameters, 'neighbours', NEIGHBOURS, [1, 1024])
  if (clusterCount > MOST_CLUSTERS) {
    throw new EngineError(
      'BAD_OPTION',
      `SPECTRAL needs an eigenvector a cluster, so it takes at most ${MOST_CLUSTERS} clusters: got ${clusterCount}; take INFOMAP or HAC instead`,
    )
  }
  const graph = normalisedGraph(shorterLists(lists, neighbours))
  const rng = createRng(seed)
  const vectors = await topEigenvectors(graph, clusterCount, rng, control)
  const labels = await discretise(vectors, n, clusterCount, rng, control)
  return { labels: denseLabels(labels).labels, parametersChosen: { clusterCount, neighbours } }
}

/** D^-1/2 W D^-1/2 with W = (C + C^T) / 2, C the 0/1 lists with the vertex itself in them. */
function normalisedGraph(lists: NeighbourLists): CsrGraph {
  const { n } = lists
  const weights = lists.ids.map((id) => (id >= 0 ? 1 : 0))
  const edges = edgeGraph(
    lists,
    Float32Array.from(weights, (w) => w / 2),
  )
  const offsets = new Float64Array(n + 1)
  const targets = new Int32Array(edges.targets.length + n)
  const values = new Float32Array(targets.length)
  const degrees = new Float64Array(n).fill(1)
  for (let v = 0; v < n; v++)
    for (let e = edges.offsets[v]; e < edges.offsets[v + 1]; e++) degrees[v] += edges.weights[e]
  let m = 0
  for (let v = 0; v < n; v++) {
    targets[m] = v
    values[m++] = 1 / degrees[v]
    for (let e = edges.offsets[v]; e < edges.offsets[v + 1]; e++) {
      targets[m] = edges.targets[e]
      values[m++] = edges.weights[e] / Math.sqrt(degrees[v] * degrees[edges.targets[e]])
    }
    offsets[v + 1] = m
  }
  return { n, offsets, targets, weights: values }
}

/**
 * The rotation of the eigenvectors that is nearest to an indicator matrix: each row goes to its largest coordinate.
 *
 * Source: [YU03]; starts and stops as scikit-learn's `discretize`.
 */
async function discretise(vectors: Float64Array, n: number, k: number, rng: Rng, { signal }: Control): Promise<Labels> {
  const rows = vectors.slice()
  for (let v = 0; v < n; v++) {
    let norm = 0
    for (let j = 0; j < k; j++) norm += rows[v * k + j] ** 2
    norm = Math.sqrt(norm) || 1
    for (let j = 0; j < k; j++) rows[v * k + j] /= norm
  }
  const rotation = startRotation(rows, n, k, rng)
  const labels = new Int32Array(n)
  let last = 0
  for (let i = 0; i < MAX_ROTATIONS; i++) {
    await nextTurn()
    throwIfAborted(signal)
    for (let v = 0; v < n; v++) {
      let best = 0
      let most = Number.NEGATIVE_INFINITY
      for (let j = 0; j < k; j++) {
        let sum = 0
        for (let c = 0; c < k; c++) sum += rows[v * k + c] * rotation[j][c]
        if (sum <= most) continue
        most = sum
        best = j
      }
      labels[v] = best
    }
    const product = Dense.zeros(k, k)
    for (let v = 0; v < n; v++)
      for (let c = 0; c < k; c++) product.set(labels[v], c, product.get(labels[v], c) + rows[v * k + c])
    const {
      leftSingularVectors: u,
      rightSingularVectors: w,
      diagonal,
    } = new SingularValueDecomposition(product, { autoTranspose: true })
    const score = 2 * (n - diagonal.reduce((a, b) => a + b, 0))
    if (Math.abs(score - last) < Number.EPSILON) break
    last = score
    const turned = w.mmul(u.transpose())
    for (let j = 0; j < k; j++) for (let c = 0; c < k; c++) rotation[j][c] = turned.get(c, j)
  }
  return labels
}

/** Rows of vertices that are as orthogonal to each other as can be found, one after the other. */
function startRotation(rows: Float64Array, n: number, k: number, rng: Rng): Float64Array[] {
  const row = (v: number) => rows.slice(v * k, (v + 1) * k)
  const rotation = [row(rng.int(n))]
  const overlap = new Float64Array(n)
  while (rotation.length < k) {
    const last = rotation[rotation.length - 1]
    let least = 0
    for (let v = 0; v < n; v++) {
      let dot = 0
      for (let c = 0; c < k; c++) dot += rows[v * k + c] * last[c]
      overlap[v] += Math.abs(dot)
      if (overlap[v] < overlap[least]) least = v
    }
    rotation.push(row(least))
  }
  return rotation
}

/**
 * Normalised spectral clustering of the neighbour graph.
 *
 * `clusterCount`: default the square root of half the rows, which is a guess, at most 600; `neighbours` of the graph: default 9.
 *
 * Source: [SHI00], [YU03], as scikit-learn runs them in the released code of [YANG20].
 */
export const spectral: Method = {
  name: 'SPECTRAL',
  title: 'Spectral',
  decode,
  needsClusterCount: true,
  isRandom: true,
  settings: ({ classes, k }) => (classes > MOST_CLUSTERS ? [] : [{ clusterCount: classes, k: Math.min(k, 79) }]),
}
