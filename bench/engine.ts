/**
 * Times the engine phase by phase on seeded synthetic features, and against faiss, torch and scikit-learn where Debian's
 * packages are installed.
 *
 *   npx tsx bench/engine.ts --n 100000 [--probes 64] [--threads 2] [--rounds 2] [--no-peers] [--no-exact]
 *     [--no-gcn-e] [--no-phases] [--decoders]
 *
 * Above a million rows: by cells, GCN-V and partition only, on disk in --folder, where the same command goes on after an
 * interruption. Weights are untrained: they cost what trained ones cost. Prints a table, writes JSON to bench/out/.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { chooseBackend } from '../src/engine/gcn/backend.ts'
import { candidateSets } from '../src/engine/gcn/candidate-sets.ts'
import { gcnEPredict, initGcnE } from '../src/engine/gcn/gcn-e.ts'
import { gcnVInput, gcnVPredict, initGcnV } from '../src/engine/gcn/gcn-v.ts'
import { unitHiddenRows } from '../src/engine/gcn/hidden-features.ts'
import { toParameters } from '../src/engine/gcn/parameters.ts'
import { measureRecall } from '../src/engine/kernels/recall.ts'
import { loadKernels } from '../src/engine/kernels/select.ts'
import { neighbourOverlap } from '../src/engine/methods/neighbour-overlap.ts'
import { findMethod } from '../src/engine/methods.ts'
import { treePartition } from '../src/engine/partition/tree-partition.ts'
import type { Matrix, NeighbourLists } from '../src/engine/types.ts'
import { cpuSeconds, createStopwatch } from './clock.ts'
import { runLarge } from './engine-large.ts'
import { syntheticFeatures } from './features.ts'
import { timeGcnSteps } from './gcn-step.ts'
import { type PeerAnswer, type Peers, startPeers } from './peers.ts'

const SAMPLE = 1000
/** More rows are not held in memory. */
const MOST_ROWS_HELD = 1_000_000

const { values } = parseArgs({
  options: {
    n: { type: 'string', default: '100000' },
    cols: { type: 'string', default: '256' },
    k: { type: 'string', default: '79' },
    seed: { type: 'string', default: '1' },
    probes: { type: 'string', default: '64' },
    rho: { type: 'string', default: '0.2' },
    threads: { type: 'string', default: String(cpus().length) },
    rounds: { type: 'string', default: '2' },
    'peer-queries': { type: 'string', default: '10000' },
    'no-peers': { type: 'boolean', default: false },
    'no-exact': { type: 'boolean', default: false },
    decoders: { type: 'boolean', default: false },
    'no-phases': { type: 'boolean', default: false },
    'no-gcn-e': { type: 'boolean', default: false },
    folder: { type: 'string' },
  },
})
const [n, cols, k, seed, probes] = [values.n, values.cols, values.k, values.seed, values.probes].map(Number)
const [threads, rounds, rho] = [values.threads, values.rounds, values.rho].map(Number)

const { kernels, passedOver } = await loadKernels()
const backend = await chooseBackend()
console.log(
  `${n} x ${cols}, k = ${k}, ${kernels.name} on ${threads} threads of ${cpus()[0].model}, TensorFlow.js on ${backend.name}`,
)
const stopwatch = createStopwatch(({ phase, seconds, cpuSeconds, peakRssMiB }) =>
  row(phase, seconds.toFixed(2), cpuSeconds.toFixed(2), String(peakRssMiB)),
)
row('phase', 'seconds', 'cpu s', 'peak MiB')
if (n > MOST_ROWS_HELD || values.folder) {
  const folder = values.folder ?? `bench/out/engine-${n}`
  write(await runLarge({ n, cols, k, seed, probes, threads, folder }))
  process.exit()
}

const data = await stopwatch.measure('features (not counted)', () => syntheticFeatures(n, cols, seed))
const x = data.features
const recall = values['no-phases'] ? undefined : await runPhases(x)
const ratios = values['no-peers'] ? [] : await compare(x)
const report = {
  n,
  cols,
  k,
  seed,
  probes,
  threads,
  kernels: kernels.name,
  passedOver,
  backend: backend.name,
  processor: cpus()[0].model,
  classes: data.classes,
  classSizes: data.sizesFrom,
  recall,
  phases: stopwatch.times,
  ratios,
}
write(report)

function write(report: object): void {
  mkdirSync('bench/out', { recursive: true })
  const file = `bench/out/engine-${n}.json`
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
  console.log(`written to ${file}`)
}

/** What else is hot in the engine, on one set of lists. */
async function timeDecoders(x: Matrix, lists: NeighbourLists): Promise<void> {
  await stopwatch.measure('neighbour-set similarity', () => neighbourOverlap(lists))
  for (const name of ['THRESHOLD', 'CHINESE_WHISPERS', 'CDP', 'ARO', 'FC_ES', 'INFOMAP']) {
    const decode = findMethod(name)?.decode
    if (!decode) throw new Error(`methods must hold ${name}: got none`)
    await stopwatch.measure(name, () => decode({ lists, features: x, parameters: {}, seed }))
  }
}

/** Features to labels, phase by phase; returns the recall of the cells. */
async function runPhases(x: Matrix): Promise<number> {
  const cells = await stopwatch.measure('knn by cells', () => kernels.knn(x, k, { probes, seed, threads }))
  const recall = await stopwatch.measure('recall on a sample', () =>
    measureRecall(kernels, x, cells, { sample: SAMPLE }),
  )
  console.log(`recall of ${probes} probes: ${recall.toFixed(4)}`)
  const lists = values['no-exact'] ? cells : await stopwatch.measure('knn', () => kernels.knn(x, k, { threads }))
  const knnOptions = values['no-exact'] ? { probes, seed, threads } : { threads }

  if (values.decoders) await timeDecoders(x, lists)
  const input = await stopwatch.measure('aggregate', () => gcnVInput(x, lists))
  const gcnV = toParameters(initGcnV({ features: cols, hidden: 512 }, seed))
  const { confidence, hidden } = await stopwatch.measure('gcn_v', () => gcnVPredict(gcnV, input))
  const partition = await stopwatch.measure('partition', () => treePartition(lists, confidence, { tau: 0.4 }))
  const rebuilt = await stopwatch.measure('rebuilt knn', () => kernels.knn(unitHiddenRows(hidden), k, knnOptions))
  if (!values['no-gcn-e']) {
    const gcnE = toParameters(initGcnE({ features: 512, convolutions: [512, 512, 256, 256], loss: 'nll' }, seed))
    await stopwatch.measure('gcn_e', async () => {
      const sets = candidateSets(rebuilt, unitHiddenRows(hidden), confidence, { rho })
      return gcnEPredict(gcnE, sets)
    })
  }
  await stopwatch.measure('rebuilt partition', () => treePartition(rebuilt, confidence, { tau: 0.8 }))
  console.log(`${partition.labels.reduce((most, label) => Math.max(most, label), -1) + 1} clusters`)
  return recall
}

interface Ratio {
  readonly work: string
  readonly peer: string
  /** CPU seconds, one a round. */
  readonly ours: number[]
  readonly theirs: number[]
  /** Median over the rounds of ours / theirs. */
  readonly ratio: number
  readonly note?: string
}

/** Pairs: ours, theirs, ours, theirs ..., so that both meet the same machine. */
async function compare(x: Matrix): Promise<Ratio[]> {
  const peers = await startPeers(threads)
  if (!peers) return []
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    await share(peers, folder, x)
    const request = { k, queries: Math.min(n, Number(values['peer-queries'])) }
    const found: Ratio[] = []
    row('paired', 'ours', 'theirs', 'ratio')
    if (!values['no-exact']) {
      const exact = () => cpuOf(() => kernels.knn(x, k, { threads }))
      const theirs = ['faiss flat', 'torch mm + topk', 'scikit-learn brute']
      found.push(...(await pair('exact knn', theirs, exact, (what) => peers.ask({ ...request, what }))))
    }
    const { probes: enough, recall: reached } = await probesFor(0.95)
    found.push(
      ...(await pair(
        `knn by cells, recall ${reached.toFixed(3)}`,
        ['faiss ivf'],
        () => cpuOf(() => kernels.knn(x, k, { probes: enough, threads })),
        (what) => peers.ask({ ...request, what, recall: reached }),
      )),
    )
    for (const what of ['gcnV', 'gcnE'] as const) {
      found.push(
        ...(await pair(
          `${what} training step`,
          ['torch'],
          async () => (await timeGcnSteps(3))[what],
          async () => {
            const answer = await peers.ask({ what: 'torch steps', runs: 3 })
            return { missing: answer.missing, cpuSeconds: answer[what] }
          },
        )),
      )
    }
    return found
  } finally {
    await peers.stop()
    rmSync(folder, { recursive: true })
  }
}

/** Each round theirs, one peer after the other, then ours: all meet the same machine. */
async function pair(
  work: string,
  peers: readonly string[],
  ours: () => Promise<number>,
  theirs: (peer: string) => Promise<PeerAnswer>,
): Promise<Ratio[]> {
  const own: number[] = []
  const answers = new Map<string, PeerAnswer[]>(peers.map((peer) => [peer, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [peer, given] of answers) {
      const answer = await theirs(peer)
      if (answer.cpuSeconds !== undefined) given.push(answer)
      else {
        console.log(`${peer} is not here: ${answer.missing}`)
        answers.delete(peer)
      }
    }
    if (answers.size > 0) own.push(await ours())
  }
  return [...answers].map(([peer, given]) => {
    const each = own.map((seconds, i) => seconds / (given[i].cpuSeconds ?? Number.NaN)).sort((a, b) => a - b)
    const { probes, recall, trainCpuSeconds = 0 } = given[0]
    const ratio: Ratio = {
      work,
      peer,
      ours: own,
      theirs: given.map(({ cpuSeconds = Number.NaN }) => cpuSeconds),
      ratio: each[each.length >> 1],
      // Our own cells are trained within the time; the index is trained beforehand.
      note:
        probes === undefined
          ? undefined
          : `${probes} probes, recall ${recall?.toFixed(3)}, ${trainCpuSeconds.toFixed(2)} s of training apart`,
    }
    row(
      `${work} / ${peer}`,
      own[0].toFixed(2),
      ratio.theirs[0].toFixed(2),
      ratio.ratio.toFixed(3),
      ratio.note && `  ${ratio.note}`,
    )
    return ratio
  })
}

/** Least probes, doubling by quarters, that reach a recall. */
async function probesFor(wanted: number): Promise<{ probes: number; recall: number }> {
  for (let probes = 8; ; probes = Math.ceil(probes * 1.5)) {
    const lists = await kernels.knn(x, k, { probes, threads })
    const recall = await measureRecall(kernels, x, lists, { sample: SAMPLE })
    if (recall >= wanted || probes > n) return { probes, recall }
  }
}

async function share(peers: Peers, folder: string, x: Matrix): Promise<void> {
  const sample = Math.min(SAMPLE, n)
  const queries = Int32Array.from({ length: sample }, (_, i) => i)
  const truth: NeighbourLists = await kernels.knn(x, k, { queries })
  const [file, exact] = [join(folder, 'x.f32'), join(folder, 'exact.i32')]
  writeFileSync(file, new Uint8Array(x.data.buffer, x.data.byteOffset, x.data.byteLength))
  writeFileSync(exact, new Uint8Array(truth.ids.buffer))
  await peers.ask({ what: 'load', file, rows: n, cols, exact, sample, k })
}

async function cpuOf(work: () => Promise<unknown>): Promise<number> {
  const start = cpuSeconds()
  await work()
  return cpuSeconds() - start
}

function row(name: string, ...columns: (string | undefined)[]): void {
  console.log(name.padEnd(44) + columns.map((column) => (column ?? '').padStart(12)).join(''))
}
