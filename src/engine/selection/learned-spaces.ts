import { knn } from '../knn/knn.ts'
import { applyMetric, fitMetric } from '../metric/learned-metric.ts'
import type { Control } from '../types.ts'
import type { LabelledSet, LearnedSpace } from './choose-method.ts'
import { countTeaching } from './identity-folds.ts'

/** With fewer identities of two images or more, a metric learns these identities instead of what tells any two apart. */
const IDENTITIES_TO_LEARN = 20
/** Each fold's space is in memory at once, and a factorisation grows with the cube of the dimension. */
const MOST_ROWS = 50_000
const MOST_DIMENSIONS = 1024

/** The set as seen by the metric that each fold learns without its held-out identities; empty where none is worth learning. */
export async function learnedSpaces(set: LabelledSet, control: Control = {}): Promise<LearnedSpace[]> {
  const { features, labels, lists, folds, seed } = set
  if (features.rows > MOST_ROWS || features.cols > MOST_DIMENSIONS) return []
  const spaces: LearnedSpace[] = []
  for (const heldOut of folds) {
    const fit = labels.map((label) => (heldOut.has(label) ? -1 : label))
    if (countTeaching(fit) < IDENTITIES_TO_LEARN) return []
    const seen = await applyMetric(fitMetric(features, fit, seed), features, control)
    spaces.push({ features: seen, lists: await knn(seen, lists.k, { signal: control.signal }) })
  }
  return spaces
}
