import type { Decoder, DecoderOutput } from '../decoder.ts'
import type { Matrix } from '../types.ts'
import { similarityAt } from './default-tau.ts'
import { agglomerate, cutAt, cutInto, type Dendrogram, type Linkage, MOST_ROWS } from './linkage.ts'
import type { Method } from './method.ts'
import { choiceOf, countOf, numberOf } from './parameter.ts'

const LINKAGES: readonly Linkage[] = ['single', 'average', 'complete']
/** Many cuts of one hierarchy are asked for in a row, when thresholds are chosen. */
const remembered = new WeakMap<Matrix, Map<Linkage, Dendrogram>>()

const decode: Decoder = async ({ lists, features, parameters, seed }, control): Promise<DecoderOutput> => {
  const linkage = choiceOf(parameters, 'linkage', 'average', LINKAGES)
  const known = remembered.get(features) ?? new Map<Linkage, Dendrogram>()
  const dendrogram = known.get(linkage) ?? (await agglomerate(features, linkage, control))
  remembered.set(features, known.set(linkage, dendrogram))
  if (parameters.clusterCount !== undefined) {
    const clusterCount = countOf(parameters, 'clusterCount', 1, [1, Math.max(1, features.rows)])
    return { labels: cutInto(dendrogram, clusterCount), parametersChosen: { linkage, clusterCount } }
  }
  // An average lies far below the best pair of two clusters.
  const belief = linkage === 'single' ? 0.9 : 0.3
  const tau = numberOf(parameters, 'tau', similarityAt(lists, features, seed, belief), [-1, 1])
  return { labels: cutAt(dendrogram, tau), parametersChosen: { linkage, tau } }
}

/**
 * Agglomerative clustering over all pairs.
 *
 * `linkage`: `average` (default), `single` as in the paper, `complete`; `tau`: least similarity of a merge, default from a
 * label-free prior; `clusterCount` instead of tau: merges until so many are left.
 *
 * Source: [SIBSON73] single, [SOKAL58] average linkage. The paper's single linkage is cut at a Euclidean distance d of unit vectors:
 * tau = 1 - d^2 / 2.
 */
export const hac: Method = {
  name: 'HAC',
  title: 'Agglomerative',
  decode,
  ignoresLists: true,
  contendsUpTo: MOST_ROWS / 4,
  settings: () => [
    {},
    ...(['average', 'single', 'complete'] as const).flatMap((linkage) =>
      Array.from({ length: linkage === 'single' ? 30 : 40 }, (_, i) => ({
        linkage,
        tau: Number(((linkage === 'single' ? 0.4 : 0) + i * 0.02).toFixed(2)),
      })),
    ),
  ],
}
