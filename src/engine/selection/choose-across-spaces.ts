import { knn } from '../knn/knn.ts'
import { normalizeRows } from '../knn/normalize-rows.ts'
import { methods, offeredContenders } from '../methods.ts'
import { geometricF } from '../metrics/score.ts'
import type { Control, Labels, Matrix } from '../types.ts'
import {
  chooseMethod,
  factsOf,
  type LabelledSet,
  type MethodChoice,
  neighbourCounts,
  plainContenders,
  withNeighbourCounts,
} from './choose-method.ts'
import { LABEL_FREE_K, type PartlyLabelled } from './company.ts'
import type { Contender } from './contender.ts'

/** Rows as one space of embeddings shows them. */
export interface SpaceToMeasureIn {
  /** Embeddings, float32 [n, d], any norms above zero. */
  readonly features: Matrix
  /** int32 [n]: identities that this space has not been learnt from, each in one space only; below 0 = company. */
  readonly labels: Labels
}

export interface AcrossSpacesInput {
  readonly spaces: readonly SpaceToMeasureIn[]
  /** Methods to choose among, by name. Default: those offered for the number of rows. */
  readonly contenders?: readonly string[]
  readonly seed: number
}

/**
 * The method without training, and its parameters, that do best over several spaces of embeddings, each measured on identities of its own
 * in the company of rows without a label. What is chosen is for one more space, in which no labelled identity is unseen.
 *
 * Each space is a fold: it is judged with the parameters that the others choose. What is wanted is lessons, so that a partition has to
 * do well by both F.
 */
export async function chooseAcrossSpaces(
  { spaces, contenders: wanted, seed }: AcrossSpacesInput,
  control: Control = {},
): Promise<MethodChoice> {
  const seen: PartlyLabelled[] = []
  for (const { features, labels } of spaces) {
    const x = normalizeRows(features)
    const k = Math.min(LABEL_FREE_K, Math.max(1, x.rows - 1))
    seen.push({ features: x, labels, lists: await knn(x, k, { signal: control.signal }) })
  }
  const starts = seen.map((_, i) => seen.slice(0, i).reduce((sum, { labels }) => sum + labels.length, 0))
  const labels = Int32Array.from(seen.flatMap(({ labels }) => [...labels]))
  const folds = seen.map(({ labels }) => new Set(labels.filter((label) => label >= 0)))
  // One grid for all spaces, so that settings can be compared from space to space.
  const [{ features, lists }] = seen
  const facts = { ...factsOf({ labels, lists }), n: features.rows }
  const counts = neighbourCounts({ labels, lists })
  const offered = wanted ?? offeredContenders(features.rows)
  const bySpace = seen.map((rows): Contender[] => plainContenders({ ...rows, folds, seed }, offered, control))
  const contenders = bySpace[0].flatMap(({ name }): Contender[] => {
    const method = methods.find((method) => method.name === name)
    const own = bySpace.map((all) => all.find((contender) => contender.name === name))
    if (!method || own.some((contender) => !contender)) return []
    const settings = method.settings(facts)
    return [
      {
        name,
        isLearned: true,
        settings: method.ignoresLists ? settings : withNeighbourCounts(settings, counts),
        partition: async (setting, fold) => {
          // Rows of other spaces stand alone, where they belong to nobody's score.
          const all = new Int32Array(labels.length).fill(-1)
          all.set(await (own[fold] as Contender).partition(setting, fold), starts[fold])
          return all
        },
      },
    ]
  })
  const set: LabelledSet = { ...seen[0], labels, folds, seed, alone: seen[0] }
  const rule = { scoreOf: geometricF, scoreName: 'geometric mean of pairwise and BCubed F' }
  const { standings: _, ...choice } = await chooseMethod(set, contenders, [], control, rule)
  return { ...choice, rows: features.rows }
}
