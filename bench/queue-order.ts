/**
 * Does the order of the review queue pay? A simulated annotator answers the questions of a run on real held-out classes in
 * the queue's order and in three others; pairwise F is measured after so many answers.
 *
 * --on train: the same within the training halves, one half of their identities for the other; formulas are chosen there.
 *
 * Usage: npm run bench:queue -- [--on test|train] [--sets omniglot,emoji] [--methods INFOMAP,THRESHOLD] [--answers 3200] [--error 0] [--out docs]
 * Needs the labelled sets beside the checkout, in ../shared/data.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import {
  adjustCalibration,
  CALIBRATION_K,
  companyInMerges,
  type EdgeCalibration,
  edgeProbability,
  fitCalibration,
} from '../src/engine/calibration.ts'
import { knn } from '../src/engine/knn/knn.ts'
import { normalizeRows } from '../src/engine/knn/normalize-rows.ts'
import { selectRows } from '../src/engine/knn/sub-lists.ts'
import { centroidEdges } from '../src/engine/partition/centroid-edges.ts'
import { expectedCompany } from '../src/engine/partition/expected-company.ts'
import { clusterForest } from '../src/engine/partition/forest.ts'
import { mergeCandidates } from '../src/engine/partition/merge-candidates.ts'
import { clusterVertices } from '../src/engine/pipeline.ts'
import { edgePriority } from '../src/engine/review/question-priority.ts'
import { reviewOutcomes } from '../src/engine/review-outcomes.ts'
import { createRng } from '../src/engine/rng.ts'
import type { Labels, NeighbourLists } from '../src/engine/types.ts'
import { curvePlots } from './curve-plot.ts'
import { hasLabelledSet, type LabelledRows, loadLabelledSet } from './labelled-sets.ts'
import { type CurvePoint, type SimulatedQuestion, simulateReview } from './simulated-review.ts'

const { values: options } = parseArgs({
  options: {
    on: { type: 'string', default: 'test' },
    sets: { type: 'string', default: 'omniglot,emoji' },
    methods: { type: 'string', default: 'INFOMAP,THRESHOLD' },
    answers: { type: 'string', default: '3200' },
    error: { type: 'string', default: '0' },
    out: { type: 'string' },
  },
})

const FOLDERS: Record<string, string> = { omniglot: 'omniglot242_mnv2_256', emoji: 'emoji8styles_mnv2_256' }
const CHECKPOINTS = [25, 50, 100, 200, 400, 800, 1600, 3200].filter((count) => count <= Number(options.answers))
/** Orders by chance are averaged over so many seeds. */
const SEEDS = 5
const ORDERS = ['queue', 'random', 'lowest confidence', 'uncertainty'] as const

/** One half of a set: classes of the halves are disjoint. */
function loadHalf(name: string, half: 0 | 1): LabelledRows {
  const set = FOLDERS[name] ?? name
  if (!hasLabelledSet(set)) {
    console.error(`bench:queue needs ../shared/data/${set}, which is not there: nothing measured`)
    process.exit(0)
  }
  return loadLabelledSet(set, half)
}

/** Rows of half of the identities, by chance, and those of the other half. */
function halve({ features, labels }: LabelledRows): [LabelledRows, LabelledRows] {
  const identities = createRng(1).shuffle(Int32Array.from(new Set(labels)))
  const first = new Set(identities.subarray(0, identities.length >> 1))
  const half = (isFirst: boolean) => {
    const rows = labels.map((_, v) => v).filter((v) => first.has(labels[v]) === isFirst)
    return { features: selectRows(features, rows), labels: rows.map((v) => labels[v]) }
  }
  return [half(true), half(false)]
}

/** A run and all its questions, as the server makes them. */
async function propose(
  { features }: LabelledRows,
  method: string,
  calibrate: (near: NeighbourLists) => EdgeCalibration,
) {
  const x = await normalizeRows(features)
  const run = await clusterVertices({ features, method, parameters: { k: 20 }, seed: 1 })
  const near = await knn(x, CALIBRATION_K)
  const calibration = calibrate(near)
  const probability = edgeProbability(calibration, near)
  const forest = clusterForest(run.labels, near, run.confidence, x)
  const toParent = Float32Array.from(forest.parent, (u, v) =>
    u < 0 ? 1 : probability(v, u, forest.parentSimilarity[v], 'parent'),
  )
  const company = expectedCompany(forest.parent, toParent, run.confidence)
  const sizeOf = (v: number) => forest.clusterSizes[run.labels[v]]
  const merges = mergeCandidates(
    run.labels,
    companyInMerges(calibration, company, sizeOf),
    near,
    run.confidence,
    (v, u, similarity) => probability(v, u, similarity, 'merge', Math.min(sizeOf(v), sizeOf(u))),
    undefined,
    { limit: 1_000_000, between: await centroidEdges(run.labels, x, run.confidence) },
  )
  return { run, forest, toParent, company, merges }
}

/** Probabilities as the training half says they are, then adjusted to kept edges and to merges of a run on it. */
async function calibrateOn(train: LabelledRows, method: string): Promise<EdgeCalibration> {
  let base: EdgeCalibration | undefined
  const { run, forest, toParent, company, merges } = await propose(train, method, (near) => {
    base = fitCalibration(near, train.labels)
    if (!base) throw new Error('the training half must have enough edges of both kinds')
    return base
  })
  const believed = { ...forest, clusters: run.labels, toParent, company, merges }
  return adjustCalibration(base as EdgeCalibration, reviewOutcomes(believed, train.labels))
}

interface Asked extends SimulatedQuestion {
  readonly probability: number
  readonly confidence: number
  readonly priority: number
}

function questionsOf({ run, forest, toParent, merges }: Awaited<ReturnType<typeof propose>>): Asked[] {
  const questions: Asked[] = []
  for (const [v, u] of forest.parent.entries()) {
    if (u < 0) continue
    const priority = edgePriority(toParent[v], forest.subtreeSize[v], forest.clusterSizes[run.labels[v]])
    questions.push({
      kind: 'EDGE',
      child: v,
      parent: u,
      probability: toParent[v],
      confidence: run.confidence[v],
      priority,
    })
  }
  for (let i = 0; i < merges.count; i++) {
    const child = merges.child[i]
    questions.push({
      kind: 'MERGE',
      child,
      parent: merges.parent[i],
      probability: merges.probability[i],
      confidence: run.confidence[child],
      priority: merges.priority[i],
    })
  }
  return questions
}

function ordered(questions: readonly Asked[], order: (typeof ORDERS)[number], seed: number): Asked[] {
  const rng = createRng(seed)
  const score = {
    queue: ({ priority }: Asked) => priority,
    random: () => rng.next(),
    'lowest confidence': ({ confidence }: Asked) => -confidence,
    uncertainty: ({ probability }: Asked) => -Math.abs(probability - 0.5),
  }[order]
  return questions
    .map((question) => ({ question, score: score(question) }))
    .sort((a, b) => b.score - a.score)
    .map(({ question }) => question)
}

/** The curve of one order; those with chance in them averaged over seeds. */
function curveOf(
  proposal: Awaited<ReturnType<typeof propose>>,
  truth: Labels,
  questions: readonly Asked[],
  order: (typeof ORDERS)[number],
): CurvePoint[] {
  const error = Number(options.error)
  const seeds = order === 'random' || error > 0 ? SEEDS : 1
  const curves = Array.from({ length: seeds }, (_, seed) => {
    const rng = createRng(1000 + seed)
    const answer = (isSame: boolean) => (rng.next() < error ? !isSame : isSame)
    const run = { labels: proposal.run.labels, parent: proposal.forest.parent }
    return simulateReview(run, truth, ordered(questions, order, seed), answer, CHECKPOINTS)
  })
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  return (curves[0] as CurvePoint[]).map(({ answers }, i) => ({
    answers,
    pairwiseF: mean(curves.map((curve) => curve[Math.min(i, curve.length - 1)].pairwiseF)),
    changes: Math.round(mean(curves.map((curve) => curve[Math.min(i, curve.length - 1)].changes))),
  }))
}

const results: {
  set: string
  method: string
  rows: number
  classes: number
  clusters: number
  questions: number
  curves: Record<string, CurvePoint[]>
}[] = []
for (const set of options.sets.split(',')) {
  for (const method of options.methods.split(',')) {
    const [train, test] = options.on === 'train' ? halve(loadHalf(set, 0)) : [loadHalf(set, 0), loadHalf(set, 1)]
    const calibration = await calibrateOn(train, method)
    const proposal = await propose(test, method, () => calibration)
    const questions = questionsOf(proposal)
    const curves = Object.fromEntries(ORDERS.map((order) => [order, curveOf(proposal, test.labels, questions, order)]))
    const classes = new Set(test.labels).size
    const { rows } = test.features
    const clusters = proposal.forest.clusterSizes.length
    results.push({ set, method, rows, classes, clusters, questions: questions.length, curves })
    console.log(
      `\n${set}, ${method}: ${rows} items of ${classes} classes in ${clusters} clusters, ${questions.length} questions`,
    )
    console.log(`${'answers'.padEnd(20)}${[0, ...CHECKPOINTS].map((count) => String(count).padStart(8)).join('')}`)
    for (const order of ORDERS) {
      const line = (curves[order] as CurvePoint[]).map(({ pairwiseF }) => (100 * pairwiseF).toFixed(1).padStart(8))
      console.log(`${order.padEnd(20)}${line.join('')}`)
    }
    for (const other of ORDERS.slice(1)) {
      const behind = (curves[other] as CurvePoint[]).filter(
        ({ pairwiseF }, i) => i > 0 && pairwiseF > ((curves.queue as CurvePoint[])[i]?.pairwiseF ?? 1),
      )
      console.log(
        behind.length === 0
          ? `the queue's order is ahead of ${other} everywhere`
          : `${other} is ahead after ${behind.map(({ answers }) => answers).join(', ')} answers`,
      )
    }
  }
}
if (options.out) {
  const file = path.join(options.out, 'review-queue.json')
  const nameOf = ({ set, method }: (typeof results)[number]) => `${set}/${method}`
  const earlier: typeof results = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []
  const fresh = new Set(results.map(nameOf))
  // One set at a time fills the same figure.
  results.push(...earlier.filter((result) => !fresh.has(nameOf(result))))
  results.sort((a, b) => (nameOf(a) < nameOf(b) ? 1 : -1))
  const plots = results.map(({ set, method, curves }) => ({
    title: `${set} test, ${method}: pairwise F (%) after so many answers`,
    series: ORDERS.map((name) => ({
      name,
      points: (curves[name] as CurvePoint[]).map(({ answers, pairwiseF }) => [answers, 100 * pairwiseF] as const),
    })),
  }))
  writeFileSync(path.join(options.out, 'review-queue.svg'), curvePlots(plots))
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`)
}
