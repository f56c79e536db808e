import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  type BackboneShape,
  type ClusteringScores,
  chooseAcrossSpaces,
  chooseClusterer,
  clusterVertices,
  DEFAULT_RECOGNITION,
  decodeModel,
  decodeRecognitionModel,
  embedSamples,
  encodeModel,
  encodeRecognitionModel,
  evaluateClustering,
  type IdentificationScores,
  identificationScores,
  type Matrix,
  type MethodChoice,
  type ProposedClusters,
  type PseudoLabels,
  pseudoLabels,
  type RecognitionModel,
  type RecognitionRecipe,
  type RecognitionTask,
  selectSamples,
  trainClusteringModel,
  trainRecognition,
} from '../../src/engine/index.ts'
import { createRng } from '../../src/engine/rng.ts'
import type { LabelledPictures } from './pictures.ts'
import { assertUnseen, type IdentitySplit } from './split.ts'
import type { Store } from './store.ts'

/** What all arms share. */
export interface Settings {
  readonly shape: BackboneShape
  readonly recipe: Partial<RecognitionRecipe>
  /** Links below this calibrated probability are cut while clustering, as in the jobs of the server. */
  readonly minProbability: number
}

/** One trained and measured model. */
export interface ArmResult {
  readonly arm: string
  readonly seed: number
  readonly parts: number
  readonly scores: IdentificationScores
  /** Of the labels beside the true ones it learnt from. */
  readonly pseudo?: { readonly classes: number; readonly images: number; readonly dropped: number }
  readonly clustering?: Pick<ClusteringScores, 'pairwise' | 'bcubed' | 'nmi' | 'clusters' | 'classes'>
  readonly note?: string
  readonly epochs: readonly { readonly task: string; readonly classes: number; readonly passes: number }[]
  /** Hash of the rows and labels learnt from. */
  readonly lessons?: string
  readonly loss: number
  readonly seconds: number
  readonly cpuSeconds: number
}

export interface Clustered extends ProposedClusters {
  readonly note: string
  readonly seconds: number
}

/** Everything of one seed. */
export interface Seed {
  readonly seed: number
  readonly pictures: LabelledPictures
  readonly split: IdentitySplit
  readonly settings: Settings
  readonly store: Store
}

const truthOf = ({ pictures }: Seed, rows: Int32Array) => rows.map((row) => pictures.labels[row])
export const unlabelledRows = ({ split }: Seed, parts: number) =>
  Int32Array.from(split.U.slice(0, parts).flatMap((part) => [...part]))

/** The labelled rows as a task. */
export const labelledTask = (seed: Seed): RecognitionTask => ({
  name: 'labelled',
  rows: seed.split.L,
  labels: truthOf(seed, seed.split.L),
})

/** Step 1: the recognition model of the labelled part. It is also the arm that has labels only. */
export async function firstModel(seed: Seed): Promise<RecognitionModel> {
  const { store } = seed
  if (store.has('recogniser.bin')) return decodeRecognitionModel(store.readBytes('recogniser.bin'))
  const model = await runArm(seed, 'labels only', 0, [labelledTask(seed)], {})
  assert(model, 'nothing else learns from the labels alone')
  store.writeBytes('recogniser.bin', encodeRecognitionModel(model))
  return model
}

/** Step 2: embeddings by the first model, and the clustering model of the labelled part. */
async function clusteringModel(seed: Seed) {
  const { store, split, pictures, settings } = seed
  if (!store.has('clustering.bin')) {
    const features = await embedSamples(await firstModel(seed), selectSamples(pictures, split.L))
    const started = performance.now()
    const { model, report } = await trainClusteringModel({
      features,
      labels: truthOf(seed, split.L),
      embedderId: 'first',
      seed: seed.seed,
    })
    store.writeJson('clustering-report', {
      seconds: (performance.now() - started) / 1000,
      choice: model.choice,
      explanation: report.explanation,
      settings,
    })
    store.writeBytes('clustering.bin', encodeModel(model))
  }
  return decodeModel(store.readBytes('clustering.bin'))
}

/** Methods that AUTO does not choose among: what they learn and their parameters come from L as well, in a model of their own. */
const NOT_AMONG_CONTENDERS = ['K_MEANS', 'SPECTRAL', 'MEAN_SHIFT', 'CDP_VOTED', 'L_GCN', 'LTC']

/** What a method is run with: a model, or parameters alone where it needs no more. The clusters are the same either way. */
async function runWith(seed: Seed, method: string) {
  const choice = await choiceOf(seed)
  const row = method === 'AUTO' ? choice : choice.table.find((row) => row.method === method)
  return row
    ? { method: row.method, parameters: row.parameters, note: method === 'AUTO' ? row.method : '' }
    : { method, model: await modelOf(seed, method) }
}

async function modelOf(seed: Seed, method: string) {
  if (!NOT_AMONG_CONTENDERS.includes(method)) return clusteringModel(seed)
  const { store, split, pictures } = seed
  const file = 'clustering-others.bin'
  if (!store.has(file)) {
    const features = await embedSamples(await firstModel(seed), selectSamples(pictures, split.L))
    const { model } = await trainClusteringModel({
      features,
      labels: truthOf(seed, split.L),
      embedderId: 'first',
      seed: seed.seed,
      parameters: { connectivity: false, contenders: [], alsoTuned: NOT_AMONG_CONTENDERS },
    })
    store.writeBytes(file, encodeModel(model))
  }
  return decodeModel(store.readBytes(file))
}

/** What AUTO stands for, chosen once with all unlabelled parts, as `retrain` does it: their labels are not looked at. */
async function choiceOf(seed: Seed): Promise<MethodChoice> {
  const { store, pictures, split, settings } = seed
  if (!store.has('choice.json')) {
    const rows = Int32Array.from([...split.L, ...unlabelledRows(seed, split.U.length)])
    const isLabelled = new Set(split.L)
    const samples = selectSamples(pictures, rows)
    const labels = rows.map((row) => (isLabelled.has(row) ? pictures.labels[row] : -1))
    const steps = settings.recipe.steps ?? DEFAULT_RECOGNITION.steps
    const choice = await chooseClusterer(
      {
        samples,
        labels,
        seed: seed.seed,
      },
      {
        trainOn: async (half, at) => {
          const { model } = await trainRecognition({
            samples,
            tasks: [{ name: 'half', rows: half, labels: half.map((row) => labels[row]) }],
            shape: settings.shape,
            recipe: { ...settings.recipe, steps: steps >> 1 },
            seed: seed.seed + at,
          })
          return model
        },
        embed: embedSamples,
        choose: chooseAcrossSpaces,
      },
    )
    assert(choice, 'L must have identities to choose by')
    store.writeJson('choice', choice)
  }
  return store.readJson<MethodChoice>('choice')
}

/** Embeddings of unlabelled pictures; nothing but the pixels goes in. */
async function unlabelledFeatures(seed: Seed, parts: number): Promise<Matrix> {
  const { store } = seed
  const { embedding } = seed.settings.shape
  const all = unlabelledRows(seed, seed.split.U.length)
  if (!store.has('unlabelled.f32')) {
    const { data } = await embedSamples(await firstModel(seed), selectSamples(seed.pictures, all))
    store.writeBytes('unlabelled.f32', new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  const data = new Float32Array(store.readBytes('unlabelled.f32').buffer)
  const rows = unlabelledRows(seed, parts).length
  return { data: data.slice(0, rows * embedding), rows, cols: embedding }
}

/** Step 3: the unlabelled parts, clustered at once. True labels are used for the score alone. */
export async function clustered(seed: Seed, method: string, parts: number): Promise<Clustered> {
  const { store, settings } = seed
  const name = `clusters ${method} ${parts}`
  if (!store.has(`${name}.json`)) {
    const { note = '', ...by } = await runWith(seed, method)
    const features = await unlabelledFeatures(seed, parts)
    const rows = unlabelledRows(seed, parts)
    const isTold = TOLD_THE_COUNT.includes(method)
    const truth = truthOf(seed, rows)
    const started = performance.now()
    const result = await clusterVertices({
      ...by,
      features,
      embedderId: 'first',
      seed: seed.seed,
      parameters: {
        ...by.parameters,
        minProbability: settings.minProbability,
        ...(isTold && { clusterCount: new Set(truth).size }),
      },
    })
    store.writeJson(name, {
      labels: [...result.labels],
      parent: [...result.parent],
      parentProbability: [...result.parentProbability],
      note: isTold ? 'told the true number of clusters' : note,
      seconds: (performance.now() - started) / 1000,
      scores: evaluateClustering(result.labels, truth),
    })
  }
  const read = store.readJson<Record<'labels' | 'parent' | 'parentProbability', number[]> & Clustered>(name)
  return {
    labels: Int32Array.from(read.labels),
    parent: Int32Array.from(read.parent),
    parentProbability: Float32Array.from(read.parentProbability),
    note: read.note,
    seconds: read.seconds,
  }
}

const TOLD_THE_COUNT = ['K_MEANS', 'SPECTRAL']

/** Pseudo-labels as a task of rows of the pictures. */
export const pseudoTask = (rows: Int32Array, pseudo: PseudoLabels): RecognitionTask => ({
  name: 'pseudo-labelled',
  rows: pseudo.rows.map((i) => rows[i]),
  labels: pseudo.labels,
  weights: pseudo.weights,
})

/** Step 4 for one arm: a new model from scratch, measured on identities and distractors that nothing has seen. */
export async function runArm(
  seed: Seed,
  arm: string,
  parts: number,
  tasks: readonly RecognitionTask[],
  about: Pick<ArmResult, 'pseudo' | 'clustering' | 'note'>,
): Promise<RecognitionModel | undefined> {
  const { pictures, split, settings, store } = seed
  for (const { rows } of tasks) assertUnseen(pictures.labels, rows, split)
  const lessons = hashOf(tasks)
  const twin = armsOf(store).find((other) => other.lessons === lessons)
  if (twin) {
    // Training is deterministic: two methods that found the same clusters would give the same weights.
    const { scores, epochs, loss, seconds, cpuSeconds } = twin
    const result: ArmResult = {
      arm,
      seed: seed.seed,
      parts,
      scores,
      ...about,
      epochs,
      lessons,
      loss,
      seconds,
      cpuSeconds,
    }
    store.writeJson(armName(arm, parts), result)
    return undefined
  }
  const started = performance.now()
  const cpu = process.cpuUsage()
  const { model, lossCurve, epochs } = await trainRecognition({
    samples: pictures,
    tasks,
    shape: settings.shape,
    recipe: settings.recipe,
    seed: seed.seed,
  })
  const used = process.cpuUsage(cpu)
  const seconds = (performance.now() - started) / 1000
  const probes = await embedSamples(model, selectSamples(pictures, split.T))
  const distractors = await embedSamples(model, selectSamples(pictures, split.D))
  const result: ArmResult = {
    arm,
    seed: seed.seed,
    parts,
    scores: identificationScores(probes, truthOf(seed, split.T), distractors),
    ...about,
    epochs,
    lessons,
    loss: lossCurve.at(-1)?.loss ?? Number.NaN,
    seconds,
    cpuSeconds: (used.user + used.system) / 1e6,
  }
  store.writeJson(armName(arm, parts), result)
  return model
}

export const armsOf = (store: Store): ArmResult[] =>
  store
    .names()
    .filter((name) => name.startsWith('arm '))
    .map((name) => store.readJson<ArmResult>(name))

function hashOf(tasks: readonly RecognitionTask[]): string {
  const hash = createHash('sha256')
  for (const { rows, labels, weights = [] } of tasks) {
    hash.update(`${rows.join()};${Array.from(labels).join()};${weights.join()}|`)
  }
  return hash.digest('hex').slice(0, 16)
}

export const armName = (arm: string, parts: number) => `arm ${arm} ${parts}`.replaceAll('/', ' ')

/** The arm that learns from the clusters of a method; `choices` and `heads` as in point 3. */
export async function pseudoArm(
  seed: Seed,
  arm: string,
  method: string,
  parts: number,
  options: { choices?: Parameters<typeof pseudoLabels>[1]; isSingleHead?: boolean; isShuffled?: boolean } = {},
): Promise<void> {
  const { store, pictures } = seed
  if (store.has(`${armName(arm, parts)}.json`)) return
  const clusters = await clustered(seed, method, parts)
  const rows = unlabelledRows(seed, parts)
  let pseudo = pseudoLabels(clusters, options.choices)
  if (options.isShuffled) {
    pseudo = { ...pseudo, labels: createRng(1000 + seed.seed).shuffle(Int32Array.from(pseudo.labels)) }
  }
  // Unkept rows stand alone: their labels score as clusters of one.
  const scored = Int32Array.from(rows.keys(), (i) => pseudo.classes + i)
  pseudo.rows.forEach((i, at) => {
    scored[i] = pseudo.labels[at]
  })
  const { pairwise, bcubed, nmi, clusters: count, classes } = evaluateClustering(scored, truthOf(seed, rows))
  const task = pseudoTask(rows, pseudo)
  const labelled = labelledTask(seed)
  const tasks = options.isSingleHead ? [oneTask(labelled, task)] : [labelled, task]
  assert(pseudo.rows.every((i) => i < rows.length) && pictures.labels.length > 0)
  await runArm(seed, arm, parts, tasks, {
    pseudo: { classes: pseudo.classes, images: pseudo.rows.length, dropped: pseudo.dropped },
    clustering: { pairwise, bcubed, nmi, clusters: count, classes },
    note: clusters.note,
  })
}

/** Both sets of labels under one head, classes kept apart. */
function oneTask(labelled: RecognitionTask, pseudo: RecognitionTask): RecognitionTask {
  const beyond = Math.max(...labelled.labels) + 1
  return {
    name: 'all',
    rows: Int32Array.from([...labelled.rows, ...pseudo.rows]),
    labels: Int32Array.from([...labelled.labels, ...pseudo.labels.map((label) => label + beyond)]),
    ...(pseudo.weights && {
      weights: Float32Array.from([...new Float32Array(labelled.rows.length).fill(1), ...pseudo.weights]),
    }),
  }
}

/** The upper bound: the same with the true labels of the unlabelled parts. */
export async function upperArm(seed: Seed, parts: number): Promise<void> {
  if (seed.store.has(`${armName('true labels', parts)}.json`)) return
  const rows = unlabelledRows(seed, parts)
  const truth: RecognitionTask = { name: 'true labels', rows, labels: truthOf(seed, rows) }
  await runArm(seed, 'true labels', parts, [labelledTask(seed), truth], {
    pseudo: { classes: new Set(truth.labels).size, images: rows.length, dropped: 0 },
  })
}

/**
 * Pseudo-labels of which a person has gone through the largest clusters first: pictures looked at get their true label under
 * the head of the labelled part.
 */
export async function correctedArm(seed: Seed, method: string, parts: number, share: number): Promise<void> {
  const arm = `${Math.round(100 * share)} % corrected first`
  if (seed.store.has(`${armName(arm, parts)}.json`)) return
  const clusters = await clustered(seed, method, parts)
  const rows = unlabelledRows(seed, parts)
  const pseudo = pseudoLabels(clusters)
  const sizes = new Map<number, number>()
  for (const label of pseudo.labels) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  const bySize = [...sizes].sort((a, b) => b[1] - a[1] || a[0] - b[0])
  const corrected = new Set<number>()
  let looked = 0
  for (const [label, size] of bySize) {
    if (looked >= share * rows.length) break
    corrected.add(label)
    looked += size
  }
  const labelled = labelledTask(seed)
  const seen = pseudo.rows.filter((_, at) => corrected.has(pseudo.labels[at])).map((i) => rows[i])
  const left = { ...pseudo, ...withoutClasses(pseudo, corrected) }
  await runArm(
    seed,
    arm,
    parts,
    [
      {
        name: 'labelled and corrected',
        rows: Int32Array.from([...labelled.rows, ...seen]),
        labels: Int32Array.from([...labelled.labels, ...truthOf(seed, seen)]),
      },
      pseudoTask(rows, left),
    ],
    {
      pseudo: { classes: left.classes, images: left.rows.length, dropped: pseudo.dropped },
      note: `${seen.length} pictures in ${corrected.size} clusters looked at`,
    },
  )
}

function withoutClasses(pseudo: PseudoLabels, left: ReadonlySet<number>) {
  const kept = [...pseudo.rows.keys()].filter((at) => !left.has(pseudo.labels[at]))
  return {
    rows: Int32Array.from(kept, (at) => pseudo.rows[at]),
    labels: Int32Array.from(kept, (at) => pseudo.labels[at]),
    classes: pseudo.classes - left.size,
  }
}
