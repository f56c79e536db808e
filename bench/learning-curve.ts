/**
 * Do clustering models get better as people confirm identities? Deals the identities of a labelled set into a project and
 * held-out ones; a simulated person confirms more and more of the project; after each step a model is trained on what is
 * confirmed so far, goes through the gate of the server, and is scored on the held-out identities.
 *
 *   npm run bench:learning -- [--data omniglot|emoji] [--by identities|answers] [--seeds 1,2,3] [--write]
 *
 * --by identities: 10 to 100 % of the project's identities are confirmed whole, in an order by seed.
 * --by answers: nothing is labelled; the person answers so many questions of the review queue, then confirms the clusters of
 * three and more that hold one identity only, however many pieces it is in.
 *
 * Every finished training is on disk at once, in bench/out/learning/: a killed one goes on where it stopped. --write puts
 * table and plot into docs/. Needs the labelled sets beside the checkout, in ../shared/data.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type ClusteringModel,
  clusterVertices,
  decodeModel,
  encodeModel,
  evaluateClustering,
  evaluateModel,
  type Labels,
  trainClusteringModel,
} from '../src/engine/index.ts'
import { selectRows } from '../src/engine/knn/sub-lists.ts'
import { edgePriority } from '../src/engine/review/question-priority.ts'
import { createRng } from '../src/engine/rng.ts'
import { cpuSeconds } from './clock.ts'
import { hasLabelledSet, type LabelledRows, loadLabelledSet } from './labelled-sets.ts'
import { type LearningPoint, learningReport, writeLearningReport } from './learning/report.ts'
import { engineHash, openStore, requireSame, type Store } from './retraining/store.ts'
import { type SimulatedQuestion, simulateReview } from './simulated-review.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: 'omniglot' },
    by: { type: 'string', default: 'identities' },
    seeds: { type: 'string', default: '1,2,3' },
    points: { type: 'string' },
    out: { type: 'string', default: join('bench', 'out', 'learning') },
    write: { type: 'boolean', default: false },
    'only-report': { type: 'boolean', default: false },
    /** Go on although the engine has changed since. */
    mix: { type: 'boolean', default: false },
  },
})

/** Identities of the project, and others that are held out of everything. */
const SETS: Record<string, { folder: string; identities: number; heldOut: number; leastSize: number }> = {
  omniglot: { folder: 'omniglot242_mnv2_256', identities: 60, heldOut: 121, leastSize: 2 },
  emoji: { folder: 'emoji8styles_mnv2_256', identities: 120, heldOut: 240, leastSize: 5 },
}
const DEFAULT_POINTS = { identities: '10,20,50,75,100', answers: '100,300,900' }
/** As in the server: one confirmed identity in five is never trained on, and measured by the gate. */
const HELD_OUT_ONE_IN = 5
/** As in the server: with fewer identities beside the hold-out no training starts. */
const FEWEST_IDENTITIES = 10
/** Clusters of fewer are not worth a look. */
const LEAST_CONFIRMED = 3
const METHODS = ['AUTO', 'GCN_V'] as const
const GATES = ['inCompany', 'alone'] as const
type GateKind = (typeof GATES)[number]

const set = SETS[values.data]
const by = values.by as keyof typeof DEFAULT_POINTS
if (!set) throw new Error(`--data must be one of ${Object.keys(SETS).join(', ')}: got ${values.data}`)
if (!(by in DEFAULT_POINTS)) throw new Error(`--by must be identities or answers: got ${values.by}`)
if (!hasLabelledSet(set.folder)) {
  console.error(`bench:learning needs ../shared/data/${set.folder}, which is not there: nothing measured`)
  process.exit(0)
}
const seeds = values.seeds.split(',').map(Number)
const points = (values.points ?? DEFAULT_POINTS[by]).split(',').map(Number)
const storeOf = (seed: number) => openStore(join(values.out, `${values.data}-${by}`, `seed-${seed}`))

if (!values['only-report']) for (const seed of seeds) await runSeed(seed, storeOf(seed))
const results = seeds.flatMap((seed) => {
  const store = storeOf(seed)
  const names = store.names().filter((name) => name.startsWith('point '))
  return names.map((name) => ({
    ...store.readJson<LearningPoint>(name),
    ...(store.has(`gates ${name}.json`) && { gates: store.readJson<LearningPoint['gates']>(`gates ${name}`) }),
  }))
})
console.log(learningReport(results, values.data, by).join('\n'))
if (values.write) writeLearningReport(results, values.data, by)

async function runSeed(seed: number, store: Store): Promise<void> {
  if (!values.mix) requireSame(store, { engine: engineHash() })
  const { project, heldOut } = deal(seed)
  const confirm = by === 'identities' ? confirmIdentities(project, seed) : await confirmByAnswers(project)
  const modelOf = (name: string) => decodeModel(store.readBytes(`${name}.bin`))
  if (!store.has('point 0.json')) {
    const scores = await score(heldOut, undefined, seed)
    store.writeJson('point 0', { seed, point: 0, confirmed: 0, images: 0, scores } satisfies LearningPoint)
  }
  const active: Record<GateKind, ClusteringModel | undefined> = { inCompany: undefined, alone: undefined }
  const askBoth = async (name: string, labels: Labels) => {
    if (!store.has(`gates ${name}.json`)) {
      const gates = {
        inCompany: await askGate('inCompany', modelOf(name), active.inCompany, project, labels),
        alone: await askGate('alone', modelOf(name), active.alone, project, labels),
      }
      store.writeJson(`gates ${name}`, gates)
    }
    return store.readJson<NonNullable<LearningPoint['gates']>>(`gates ${name}`)
  }
  for (const point of points) {
    const name = `point ${point}`
    const labels = confirm(point)
    const known = labels.filter((label) => label >= 0)
    if (new Set(known.filter((label) => !isUnseen(label))).size < FEWEST_IDENTITIES) {
      // The server refuses such a training; runs go on as they are.
      const confirmed = new Set(known).size
      store.writeJson(name, { seed, point, confirmed, images: known.length, scores: {} } satisfies LearningPoint)
      console.log(`seed ${seed}, ${point}: ${confirmed} identities are too few to train on`)
      continue
    }
    if (!store.has(`${name}.json`)) {
      const cpu = cpuSeconds()
      const model = await trainOn(project, labels, seed)
      const trainingCpuSeconds = cpuSeconds() - cpu
      store.writeBytes(`${name}.bin`, encodeModel(model))
      store.writeJson(name, {
        seed,
        point,
        confirmed: new Set(known).size,
        images: known.length,
        wholeness: wholeness(labels, project.labels),
        trainingCpuSeconds,
        scores: await score(heldOut, model, seed),
        choice: model.choice?.method,
      } satisfies LearningPoint)
    }
    const gates = await askBoth(name, labels)
    for (const kind of GATES) if (gates[kind].verdict === 'ACCEPTED') active[kind] = modelOf(name)
    const { scores, trainingCpuSeconds = 0 } = store.readJson<LearningPoint>(name)
    console.log(
      `seed ${seed}, ${point} ${by === 'identities' ? '%' : 'answers'}: AUTO ${scores.AUTO?.pairwise.toFixed(3)}, gate ${gates.inCompany.verdict} (alone ${gates.alone.verdict}), ${trainingCpuSeconds.toFixed(0)} CPU s`,
    )
  }
  // A model that has learnt from names dealt out anew among the confirmed items: the gate must refuse it.
  const name = 'point shuffled'
  const labels = confirm(points[Math.floor((points.length - 1) / 2)] as number)
  if (!store.has(`${name}.bin`)) {
    const model = await trainOn(project, shuffleNames(labels, seed), seed)
    store.writeBytes(`${name}.bin`, encodeModel(model))
    store.writeJson(name, {
      seed,
      point: -1,
      confirmed: 0,
      images: labels.filter((label) => label >= 0).length,
      scores: await score(heldOut, model, seed),
    } satisfies LearningPoint)
  }
  const gates = await askBoth(name, labels)
  console.log(`seed ${seed}, names shuffled: gate ${gates.inCompany.verdict} (alone ${gates.alone.verdict})`)
}

/** As the server does it: the gate's hold-out is not shown, all other items keep company. */
async function trainOn({ features }: LabelledRows, labels: Labels, seed: number): Promise<ClusteringModel> {
  const shown = select({ features, labels }, (label) => label < 0 || !isUnseen(label))
  const { model } = await trainClusteringModel({ ...shown, embedderId: 'given', seed, inCompany: true })
  return model
}

/** The confirmed rows that a training is shown, with their names dealt out anew. */
function shuffleNames(labels: Labels, seed: number): Labels {
  const rows = Int32Array.from(labels.keys()).filter((row) => labels[row] >= 0 && !isUnseen(labels[row]))
  const names = createRng(2000 + seed).shuffle(rows.map((row) => labels[row]))
  const shuffled = Int32Array.from(labels)
  rows.forEach((row, i) => {
    shuffled[row] = names[i]
  })
  return shuffled
}

/**
 * The rule of the server: a lower mean of pairwise and BCubed F on the hold-out than that of what runs use now, the active model
 * or none, is refused.
 *
 * @param kind whether the hold-out is clustered among all items of the project, as runs do, or alone, as a naive gate would
 */
async function askGate(
  kind: GateKind,
  model: ClusteringModel,
  active: ClusteringModel | undefined,
  project: LabelledRows,
  confirmed: Labels,
): Promise<NonNullable<LearningPoint['gates']>[GateKind]> {
  const labels = confirmed.map((label) => (label >= 0 && isUnseen(label) ? label : -1))
  const rows = kind === 'alone' ? select({ ...project, labels }, (label) => label >= 0) : { ...project, labels }
  const meanF = async (measured: ClusteringModel | undefined) => {
    const { pairwiseF, bcubedF } = await evaluateModel({ model: measured, ...rows })
    return (pairwiseF.value + bcubedF.value) / 2
  }
  const [own, other] = [await meanF(model), await meanF(active)]
  const identities = new Set(labels).size - 1
  return { verdict: own < other ? 'REJECTED' : 'ACCEPTED', identities, own, active: other }
}

async function score(rows: LabelledRows, model: ClusteringModel | undefined, seed: number) {
  const scores: LearningPoint['scores'] = {}
  for (const method of METHODS) {
    // The networks cannot run before a model is there.
    if (!model && method !== 'AUTO') continue
    const { labels } = await clusterVertices({ features: rows.features, method, model, seed })
    const { pairwise, bcubed } = evaluateClustering(labels, rows.labels)
    scores[method] = { pairwise: pairwise.f, bcubed: bcubed.f }
  }
  return scores
}

/** Identities in an order by seed: the first ones are the project's. None is in both. */
function deal(seed: number): { project: LabelledRows; heldOut: LabelledRows } {
  const all = loadLabelledSet(set.folder)
  const sizes = new Map<number, number>()
  for (const label of all.labels) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  const able = [...sizes].filter(([, size]) => size >= set.leastSize).map(([label]) => label)
  const order = createRng(seed).shuffle(Int32Array.from(able).sort())
  const { identities, heldOut } = set
  const [own, others] = [
    new Set(order.subarray(0, identities)),
    new Set(order.subarray(identities, identities + heldOut)),
  ]
  return { project: select(all, (label) => own.has(label)), heldOut: select(all, (label) => others.has(label)) }
}

/** The first so many percent of the project's identities, each whole. */
function confirmIdentities({ labels }: LabelledRows, seed: number): (percent: number) => Labels {
  const order = createRng(100 + seed).shuffle(Int32Array.from(new Set(labels)).sort())
  return (percent) => {
    const confirmed = new Set(order.subarray(0, Math.round((percent / 100) * order.length)))
    return labels.map((label) => (confirmed.has(label) ? label : -1))
  }
}

/** What a perfect annotator has confirmed after so many answers: clusters of one identity, numbered as clusters. */
async function confirmByAnswers({ features, labels: truth }: LabelledRows): Promise<(answers: number) => Labels> {
  const run = await clusterVertices({ features, method: 'AUTO', parameters: { mergeLimit: 1_000_000 }, seed: 1 })
  const questions: (SimulatedQuestion & { priority: number })[] = []
  for (const [v, u] of run.parent.entries()) {
    if (u < 0) continue
    const priority = edgePriority(run.parentProbability[v], run.subtreeSize[v], run.clusterSizes[run.labels[v]])
    questions.push({ kind: 'EDGE', child: v, parent: u, priority })
  }
  const { count, child, parent, priority } = run.mergeCandidates
  for (let i = 0; i < count; i++) {
    questions.push({ kind: 'MERGE', child: child[i], parent: parent[i], priority: priority[i] })
  }
  questions.sort((a, b) => b.priority - a.priority)
  const after = new Map<number, Labels>()
  simulateReview(
    { labels: run.labels, parent: run.parent },
    truth,
    questions,
    (isSame) => isSame,
    points,
    ({ answers }, clusters) => after.set(answers, Int32Array.from(clusters)),
  )
  return (answers) => pureClusters(after.get(answers) ?? [...after.values()].at(-1) ?? run.labels, truth)
}

function pureClusters(clusters: Labels, truth: Labels): Labels {
  const members = new Map<number, number[]>()
  for (const [v, cluster] of clusters.entries()) members.set(cluster, [...(members.get(cluster) ?? []), v])
  const labels = new Int32Array(clusters.length).fill(-1)
  for (const [cluster, own] of members) {
    if (own.length < LEAST_CONFIRMED || new Set(own.map((v) => truth[v])).size > 1) continue
    for (const v of own) labels[v] = cluster
  }
  return labels
}

/** Whether an identity belongs to the hold-out: by its own number alone, so that it never changes. */
function isUnseen(label: number): boolean {
  return createRng(9000 + label).int(HELD_OUT_ONE_IN) === 0
}

function select({ features, labels }: LabelledRows, isWanted: (label: number) => boolean): LabelledRows {
  const rows = Int32Array.from(labels.keys()).filter((row) => isWanted(labels[row]))
  return { features: selectRows(features, rows), labels: rows.map((row) => labels[row]) }
}

/** True identities behind one confirmed: below 1 where some were confirmed in pieces. */
function wholeness(labels: Labels, truth: Labels): number {
  const confirmed = new Set<number>()
  const identities = new Set<number>()
  for (const [v, label] of labels.entries()) {
    if (label < 0) continue
    confirmed.add(label)
    identities.add(truth[v])
  }
  return confirmed.size === 0 ? 1 : identities.size / confirmed.size
}
