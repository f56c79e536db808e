import { chanceSimilarity } from '../knn/chance-similarity.ts'
import { clusterSizes, denseLabels } from '../partition/labels.ts'
import type { Control, Labels, Matrix } from '../types.ts'
import { agglomerate, cutAt, MOST_ROWS } from './linkage.ts'

/**
 * Joins large clusters that are likely pieces of one class, by average linkage between them alone: the walker of the map
 * equation sees no further than the neighbour lists, and takes a class much larger than these apart.
 *
 * Two are joined while the mean similarity of the pairs across lies more than a standard deviation above that of random
 * pairs. Smaller clusters are left as they are: there the lists reach further than the class.
 *
 * @param x L2-normalised rows, float32 [n, d]
 * @param least members that a cluster must have to count as a piece
 * @returns labels dense from 0; unchanged with more than 20,000 pieces
 */
export async function joinPieces(
  labels: Labels,
  x: Matrix,
  { least, seed }: { readonly least: number; readonly seed: number },
  control: Control = {},
): Promise<Labels> {
  const { labels: dense, count } = denseLabels(labels)
  const sizes = clusterSizes(dense, count)
  const pieces = Int32Array.from(sizes.keys()).filter((c) => sizes[c] >= least)
  if (pieces.length < 2 || pieces.length > MOST_ROWS) return dense
  const place = new Int32Array(count).fill(-1)
  for (let i = 0; i < pieces.length; i++) place[pieces[i]] = i
  // The product of two means is the mean of the products across.
  const means = new Float32Array(pieces.length * x.cols)
  for (let v = 0; v < dense.length; v++) {
    const i = place[dense[v]]
    if (i < 0) continue
    for (let c = 0; c < x.cols; c++) means[i * x.cols + c] += x.data[v * x.cols + c] / sizes[pieces[i]]
  }
  const rows = { data: means, rows: pieces.length, cols: x.cols }
  const weights = pieces.map((c) => sizes[c])
  const { mean, deviation } = chanceSimilarity(x, seed)
  const joined = cutAt(await agglomerate(rows, 'average', control, weights), mean + deviation)
  return denseLabels(dense.map((c) => (place[c] < 0 ? c : count + joined[place[c]]))).labels
}
