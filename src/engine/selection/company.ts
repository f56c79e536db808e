import { knn } from '../knn/knn.ts'
import { normalizeRows } from '../knn/normalize-rows.ts'
import { selectRows, stackRows } from '../knn/sub-lists.ts'
import { createRng } from '../rng.ts'
import type { Control, Labels, Matrix, NeighbourLists } from '../types.ts'

/**
 * Rows without a label that keep the labelled ones company, at most: the first number, or as many as are labelled, up to the second. More
 * would be closer to a run and take longer.
 */
const MOST_COMPANY = { fewLabelled: 1_000, manyLabelled: 5_000 }
/** Neighbours that a run without a model looks at: the paper's K = 80, which counts the vertex itself. */
export const LABEL_FREE_K = 79

/** Rows of which some identities are known, and their neighbours. */
export interface PartlyLabelled {
  /** L2-normalised rows, float32 [n, d]. */
  readonly features: Matrix
  /** int32 [n]; below 0 = not known. */
  readonly labels: Labels
  readonly lists: NeighbourLists
}

/**
 * The labelled rows, and after them a sample by seed of the rows that have no label: methods are compared at the density that a run has.
 *
 * @param known the labelled rows alone
 * @param features all rows, as given
 * @param labels int32 of all rows
 * @returns undefined where every row is labelled
 */
export async function inCompany(
  known: PartlyLabelled,
  features: Matrix,
  labels: Labels,
  seed: number,
  control: Control = {},
): Promise<PartlyLabelled | undefined> {
  const unknown = Int32Array.from(labels.keys()).filter((row) => labels[row] < 0)
  if (unknown.length === 0) return undefined
  const { fewLabelled, manyLabelled } = MOST_COMPANY
  const most = Math.min(manyLabelled, Math.max(fewLabelled, known.labels.length))
  const drawn = createRng(seed).shuffle(unknown).subarray(0, most).sort()
  const others = normalizeRows(selectRows(features, drawn))
  const x = stackRows(known.features, others)
  const k = Math.min(x.rows - 1, Math.max(known.lists.k, LABEL_FREE_K))
  return {
    features: x,
    labels: Int32Array.from({ length: x.rows }, (_, row) => known.labels[row] ?? -1),
    lists: await knn(x, k, control),
  }
}
