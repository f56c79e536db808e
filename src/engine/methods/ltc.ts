import type { Decoder } from '../decoder.ts'
import { throwIfAborted } from '../errors.ts'
import { chooseBackend } from '../gcn/backend.ts'
import { disposeParameters, toParameters, type WeightArrays } from '../gcn/parameters.ts'
import { trainByBatches } from '../gcn/train.ts'
import { shorterLists } from '../knn/sub-lists.ts'
import { logistic } from '../logistic-regression.ts'
import { nextTurn } from '../next-turn.ts'
import { denseLabels } from '../partition/labels.ts'
import { createRng } from '../rng.ts'
import type { Control, Labels, Matrix, NeighbourLists } from '../types.ts'
import { initLtc, type LtcOutput, ltcForward, ltcStep, type ProposalBatch, proposalBatch } from './ltc-network.ts'
import { proposals } from './ltc-proposals.ts'
import type { TrainableMethod } from './method.ts'
import { numberOf } from './parameter.ts'

/** The three networks, as prefixes of their weights: IoU and IoP of a proposal, and which of its vertices belong. */
const IOU = 'iou/'
const IOP = 'iop/'
const SEGMENT = 'segment/'
const PARTS = [IOU, IOP, SEGMENT] as const
const NEIGHBOURS = 40
const NODES_A_BATCH = 2048
const EPOCHS = 8
const PROPOSALS_AN_EPOCH = 2000
/** GCN-S learns from proposals of middling purity, and is asked about those that are neither pure nor hopeless. */
const LEARNT_PURITY = [0.2, 0.8] as const
const ASKED_PURITY = [0.1, 0.9] as const

/** A proposal against its majority class. */
interface Quality {
  readonly majority: number
  readonly iou: number
  readonly iop: number
}

function qualities(groups: readonly Int32Array[], labels: Labels): Quality[] {
  const sizes = new Map<number, number>()
  for (const label of labels) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  return groups.map((group) => {
    const counts = new Map<number, number>()
    for (const v of group) counts.set(labels[v], (counts.get(labels[v]) ?? 0) + 1)
    const [majority, shared] = [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))
    return { majority, iou: shared / (group.length + (sizes.get(majority) ?? 0) - shared), iop: shared / group.length }
  })
}

/** Batches of proposals of like size. */
function plan(groups: readonly Int32Array[], chosen: readonly number[]): number[][] {
  const order = [...chosen].sort((a, b) => groups[a].length - groups[b].length || a - b)
  const batches: number[][] = []
  let batch: number[] = []
  for (const g of order) {
    if (batch.length > 0 && (batch.length + 1) * groups[g].length > NODES_A_BATCH) {
      batches.push(batch)
      batch = []
    }
    batch.push(g)
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}

/** The vertex with the strongest ties inside: what GCN-S is asked about. */
function heart(lists: NeighbourLists, group: Int32Array): number {
  const inside = new Set(group)
  let best = 0
  let most = Number.NEGATIVE_INFINITY
  for (const [row, v] of group.entries()) {
    let sum = 0
    for (let e = v * lists.k; e < (v + 1) * lists.k; e++) if (inside.has(lists.ids[e])) sum += lists.similarities[e]
    if (sum <= most) continue
    most = sum
    best = row
  }
  return best
}

/** One number a proposal, by one of the two detectors. */
async function detect(
  weights: WeightArrays,
  lists: NeighbourLists,
  x: Matrix,
  groups: readonly Int32Array[],
  { signal }: Control,
): Promise<Float32Array> {
  const scores = new Float32Array(groups.length)
  const parameters = toParameters(weights)
  try {
    for (const batch of plan(groups, [...groups.keys()])) {
      await nextTurn()
      throwIfAborted(signal)
      const values = ltcForward(
        parameters,
        proposalBatch(
          lists,
          x,
          batch.map((g) => groups[g]),
        ),
        'graph',
      )
      for (const [i, g] of batch.entries()) scores[g] = values[i]
    }
    return scores
  } finally {
    disposeParameters(parameters)
  }
}

/** Takes out of impure proposals what does not belong to their heart; what is taken out comes last. */
async function segment(
  weights: WeightArrays,
  lists: NeighbourLists,
  x: Matrix,
  groups: readonly Int32Array[],
  purity: Float32Array,
  { signal }: Control,
): Promise<{ kept: Int32Array[]; dropped: Int32Array[] }> {
  const kept = [...groups]
  const dropped: Int32Array[] = []
  const asked = [...groups.keys()].filter((g) => purity[g] >= ASKED_PURITY[0] && purity[g] <= ASKED_PURITY[1])
  const parameters = toParameters(weights)
  try {
    for (const batch of plan(groups, asked)) {
      await nextTurn()
      throwIfAborted(signal)
      const seeds = batch.map((g) => heart(lists, groups[g]))
      const built = proposalBatch(
        lists,
        x,
        batch.map((g) => groups[g]),
        seeds,
      )
      const values = ltcForward(parameters, built, 'nodes')
      for (const [i, g] of batch.entries()) {
        const belongs = (row: number) => row === seeds[i] || logistic(values[i * built.size + row]) > 0.5
        kept[g] = groups[g].filter((_, row) => belongs(row))
        const rest = groups[g].filter((_, row) => !belongs(row))
        if (rest.length > 0) dropped.push(rest)
      }
    }
    return { kept, dropped }
  } finally {
    disposeParameters(parameters)
  }
}

async function learn(
  lists: NeighbourLists,
  x: Matrix,
  groups: readonly Int32Array[],
  chosen: readonly number[],
  output: LtcOutput,
  targetOf: (batch: readonly number[], seeds: readonly number[], built: ProposalBatch) => Float32Array,
  seed: number,
  control: Control,
): Promise<WeightArrays> {
  const rng = createRng(seed)
  const start = initLtc(x.cols + (output === 'nodes' ? 1 : 0), seed)
  const recipe = {
    optimiser: { kind: 'adam' as const, learningRate: 1e-3, weightDecay: 1e-4, milestones: [0.5, 0.8] },
    epochs: EPOCHS,
    batchSize: NODES_A_BATCH,
  }
  const { weights } = await trainByBatches('train_ltc', toParameters(start), recipe, control, {
    batches: () => {
      const sample = Array.from(rng.shuffle(Int32Array.from(chosen)).subarray(0, PROPOSALS_AN_EPOCH))
      const batches = plan(groups, sample)
      return Array.from(rng.shuffle(Int32Array.from(batches.keys())), (b) => batches[b])
    },
    step: (parameters, batch) => {
      const seeds = batch.map((g) => rng.int(groups[g].length))
      const members = batch.map((g) => groups[g])
      const built = proposalBatch(lists, x, members, output === 'nodes' ? seeds : undefined)
      return ltcStep(parameters, built, targetOf(batch, seeds, built), output)
    },
    heldOutLoss: async () => undefined,
  })
  return weights
}

/**
 * Learning to cluster on an affinity graph: many overlapping proposals, GCN-D tells how good each is, GCN-S takes out of the impure
 * ones what does not belong, and every vertex goes to the best proposal that holds it.
 *
 * `leastScore`: proposals whose predicted IoU is below this are left out, default 0.
 *
 * Source: [YANG19] and its released code. Differs: proposals follow a label-free prior (see ltc-proposals.ts), 256 channels instead
 * of 512, 8 epochs of Adam, no dropout; GCN-S is asked about the vertex with the strongest ties instead of a random one.
 */
export const ltc: TrainableMethod = {
  name: 'LTC',
  title: 'LTC (GCN-D, GCN-S)',
  isRandom: true,
  async train({ lists: longLists, features: x, labels, seed }, control = {}) {
    await chooseBackend()
    const lists = shorterLists(longLists, Math.min(NEIGHBOURS, longLists.k))
    const groups = await proposals(lists, x, seed, control)
    const quality = qualities(groups, labels)
    const all = [...groups.keys()]
    const detector = (key: 'iou' | 'iop') =>
      learn(lists, x, groups, all, 'graph', (batch) => Float32Array.from(batch, (g) => quality[g][key]), seed, control)
    const impure = all.filter((g) => quality[g].iop >= LEARNT_PURITY[0] && quality[g].iop <= LEARNT_PURITY[1])
    const segmenter = await learn(
      lists,
      x,
      groups,
      impure,
      'nodes',
      (batch, seeds, { size, isNode }) => {
        const target = new Float32Array(isNode.length)
        for (const [i, g] of batch.entries()) {
          const wanted = labels[groups[g][seeds[i]]]
          for (const [row, v] of groups[g].entries()) target[i * size + row] = labels[v] === wanted ? 1 : 0
        }
        return target
      },
      seed,
      control,
    )
    const parts: readonly [string, WeightArrays][] = [
      [IOU, await detector('iou')],
      [IOP, await detector('iop')],
      [SEGMENT, segmenter],
    ]
    return Object.fromEntries(
      parts.flatMap(([prefix, weights]) => Object.entries(weights).map(([name, array]) => [prefix + name, array])),
    )
  },
  decoder: (weights): Decoder => {
    const [iou, iop, segmenter] = PARTS.map((prefix) =>
      Object.fromEntries(
        Object.entries(weights)
          .filter(([name]) => name.startsWith(prefix))
          .map(([name, array]) => [name.slice(prefix.length), array]),
      ),
    )
    return async ({ lists: longLists, features: x, parameters, seed }, control = {}) => {
      const leastScore = numberOf(parameters, 'leastScore', 0, [0, 1])
      await chooseBackend()
      const lists = shorterLists(longLists, Math.min(NEIGHBOURS, longLists.k))
      const groups = await proposals(lists, x, seed, control)
      const score = await detect(iou, lists, x, groups, control)
      const purity = await detect(iop, lists, x, groups, control)
      const { kept, dropped } = await segment(segmenter, lists, x, groups, purity, control)
      const order = [...groups.keys()]
        .filter((g) => score[g] >= leastScore)
        .sort((a, b) => score[b] - score[a] || a - b)
      const labels = new Int32Array(lists.n).fill(-1)
      let count = 0
      for (const members of [...order.map((g) => kept[g]), ...dropped]) {
        let isUsed = false
        for (const v of members) {
          if (labels[v] >= 0) continue
          labels[v] = count
          isUsed = true
        }
        if (isUsed) count++
      }
      return {
        labels: denseLabels(labels).labels,
        parametersChosen: { leastScore },
        explanation: `${groups.length} proposals, ${order.length} of them good enough; every vertex is in the best that holds it.`,
      }
    }
  },
  settings: ({ k }) => [0, 0.2, 0.4].map((leastScore) => ({ leastScore, k })),
}
