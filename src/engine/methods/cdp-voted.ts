import type { Decoder } from '../decoder.ts'
import type { WeightArrays } from '../gcn/parameters.ts'
import { knn } from '../knn/knn.ts'
import { normalizeRows } from '../knn/normalize-rows.ts'
import { shorterLists } from '../knn/sub-lists.ts'
import { predictMlp, trainMlp } from '../mlp.ts'
import { denseLabels } from '../partition/labels.ts'
import { createRng } from '../rng.ts'
import type { Control, Matrix, NeighbourLists } from '../types.ts'
import { dynamicThreshold } from './dynamic-threshold.ts'
import { listPairs } from './list-pairs.ts'
import type { TrainableMethod } from './method.ts'
import { countOf, numberOf } from './parameter.ts'

const MEMBERS = 4
/** Share of the dimensions that a member of the committee sees. */
const SEEN = 0.5
const LONGEST = 19
/** Of each member: does it list the pair, its similarity, common neighbours; and the similarity in all dimensions. */
const FACTS = 3 * MEMBERS + 2
const RECIPE = { hidden: [2 * FACTS, 2 * FACTS], epochs: 8, batchSize: 64, learningRate: 2e-3 }
const PAIRS_TO_LEARN = 100_000
/** The mediator has learnt the votes of these members: they are the same at decoding. */
const COMMITTEE_SEED = 1
const remembered = new WeakMap<WeightArrays, { similarities: Float32Array; probability: Float32Array }>()

/** Rows as a member of the committee sees them: a random half of the dimensions. */
function view({ data, rows, cols }: Matrix, member: number, seed: number): Matrix {
  const rng = createRng(seed * 31 + member)
  const seen = rng
    .shuffle(Int32Array.from({ length: cols }, (_, c) => c))
    .slice(0, Math.max(2, Math.round(cols * SEEN)))
    .sort()
  const part = new Float32Array(rows * seen.length)
  for (let v = 0; v < rows; v++)
    for (let c = 0; c < seen.length; c++) part[v * seen.length + c] = data[v * cols + seen[c]]
  for (let v = 0; v < rows; v++) {
    const row = part.subarray(v * seen.length, (v + 1) * seen.length)
    // A row that shows nothing in these dimensions points equally in all.
    if (row.every((value) => value === 0)) row.fill(1)
  }
  return normalizeRows({ data: part, rows, cols: seen.length })
}

/** What the committee says of every slot, float32 [n * k, FACTS]. */
async function committeeFacts(lists: NeighbourLists, x: Matrix, seed: number, control: Control): Promise<Matrix> {
  const { n, k } = lists
  const data = new Float32Array(n * k * FACTS)
  for (let member = -1; member < MEMBERS; member++) {
    const seen = member < 0 ? x : view(x, member, seed)
    const own = member < 0 ? lists : await knn(seen, k, { signal: control.signal })
    const listedBy = new Int32Array(n).fill(-1)
    for (let v = 0; v < n; v++) {
      for (let e = v * k; e < (v + 1) * k; e++) if (own.ids[e] >= 0) listedBy[own.ids[e]] = v
      for (let slot = 0; slot < k; slot++) {
        const e = v * k + slot
        const u = lists.ids[e]
        if (u < 0) break
        let common = 0
        for (let f = u * k; f < (u + 1) * k; f++) if (own.ids[f] >= 0 && listedBy[own.ids[f]] === v) common++
        if (member < 0) {
          data[e * FACTS] = lists.similarities[e]
          data[e * FACTS + 1] = common / k
          continue
        }
        let similarity = 0
        for (let c = 0; c < seen.cols; c++) similarity += seen.data[v * seen.cols + c] * seen.data[u * seen.cols + c]
        const at = e * FACTS + 2 + 3 * member
        data[at] = listedBy[u] === v ? 1 : 0
        data[at + 1] = similarity
        data[at + 2] = common / k
      }
    }
  }
  return { data, rows: n * k, cols: FACTS }
}

/**
 * Consensus-driven propagation with a committee: several views of the data vote on pairs, a mediator that has learnt from labels
 * weighs the votes, pairs that it believes are joined by rising thresholds.
 *
 * `leastProbability` of a pair: default 0.9; `maxSize`: default 300; `step`: default 0.05.
 *
 * Source: [ZHAN18]; votes are relationship, affinity and common neighbours, as there. Differs: members are random halves of the
 * dimensions of one embedding, since there is one; the mediator is trained by Adam; its threshold is chosen on held-out identities.
 */
export const cdpVoted: TrainableMethod = {
  name: 'CDP_VOTED',
  title: 'CDP, committee and mediator',
  isRandom: true,
  async train({ lists, features, labels, seed }, control = {}) {
    const near = nearest(lists)
    const x = await committeeFacts(near, features, COMMITTEE_SEED, control)
    const known = Int32Array.from(near.ids.keys()).filter((e) => near.ids[e] >= 0)
    const chosen = createRng(seed).shuffle(known).subarray(0, PAIRS_TO_LEARN)
    const data = new Float32Array(chosen.length * FACTS)
    const y = new Uint8Array(chosen.length)
    for (const [i, e] of chosen.entries()) {
      data.set(x.data.subarray(e * FACTS, (e + 1) * FACTS), i * FACTS)
      y[i] = labels[Math.floor(e / near.k)] === labels[near.ids[e]] ? 1 : 0
    }
    return trainMlp({ data, rows: chosen.length, cols: FACTS }, y, RECIPE, seed, control)
  },
  decoder:
    (weights): Decoder =>
    async ({ lists, features, parameters }, control = {}) => {
      const leastProbability = numberOf(parameters, 'leastProbability', 0.9, [0, 1])
      const maxSize = countOf(parameters, 'maxSize', 300, [1, 100_000_000])
      const step = numberOf(parameters, 'step', 0.05, [0.001, 0.999])
      const near = nearest(lists)
      const known = remembered.get(weights)
      const probability =
        known?.similarities === lists.similarities
          ? known.probability
          : await predictMlp(weights, await committeeFacts(near, features, COMMITTEE_SEED, control), control)
      remembered.set(weights, { similarities: lists.similarities, probability })
      const pairs = listPairs(
        near,
        (e) => probability[e] > leastProbability,
        'mean',
        (e) => probability[e],
      )
      const { labels } = denseLabels(dynamicThreshold(lists.n, pairs, { maxSize, step }))
      return { labels, parametersChosen: { leastProbability, maxSize, step } }
    },
  settings: ({ n, classes, k }) =>
    [2, 5, 20].flatMap((times) =>
      [0.3, 0.5, 0.7, 0.9, 0.97].map((leastProbability) => ({
        k: Math.min(k, LONGEST),
        leastProbability,
        maxSize: Math.max(10, Math.round((times * n) / classes)),
      })),
    ),
}

function nearest(lists: NeighbourLists): NeighbourLists {
  return shorterLists(lists, Math.min(lists.k, LONGEST))
}
