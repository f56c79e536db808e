import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { initGcnV } from '../src/engine/gcn/gcn-v.ts'
import { gcnVBlocks } from '../src/engine/gcn/gcn-v-blocks.ts'
import { toParameters } from '../src/engine/gcn/parameters.ts'
import { knnOnDisk } from '../src/engine/kernels/knn-on-disk.ts'
import { readLists } from '../src/engine/kernels/neighbour-file.ts'
import { openWriter, readAll, writeWhole } from '../src/engine/kernels/raw-file.ts'
import { measureRecall } from '../src/engine/kernels/recall.ts'
import { loadKernels } from '../src/engine/kernels/select.ts'
import { treePartition } from '../src/engine/partition/tree-partition.ts'
import type { NeighbourLists, Progress } from '../src/engine/types.ts'
import { cpuSeconds } from './clock.ts'
import { featureSource } from './features.ts'

export interface LargeOptions {
  readonly n: number
  readonly cols: number
  readonly k: number
  readonly seed: number
  readonly probes: number
  readonly threads: number
  /** Holds features, lists and confidences, and what each phase took: the same call goes on where another ended. */
  readonly folder: string
}

const ROWS_A_WRITE = 65_536
const ROWS_A_BLOCK = 524_288
const SAMPLE = 500

interface PhaseNote {
  seconds: number
  cpuSeconds: number
  /** Highest of all processes that took part. */
  peakRssMiB: number
  /** 1 for a phase that nothing interrupted. */
  processes: number
  isComplete: boolean
}

/**
 * Neighbours by cells, GCN-V and partition of more rows than fit in memory: features and lists lie on disk, each phase goes on
 * where an earlier process was stopped. Prints each phase, with the work of all processes that took part in it.
 */
export async function runLarge({ n, cols, k, seed, probes, threads, folder }: LargeOptions): Promise<object> {
  mkdirSync(folder, { recursive: true })
  const notes = createNotes(join(folder, 'phases.json'), { n, cols, k, seed, probes })
  const { kernels } = await loadKernels()
  const x = { file: join(folder, 'features.f32'), rows: n, cols }

  await notes.phase('features (not counted)', () =>
    writeWhole(x.file, async (writer) => {
      const source = featureSource(n, cols, seed)
      for (let first = 0; first < n; first += ROWS_A_WRITE) {
        const { data } = source.rows(first, Math.min(ROWS_A_WRITE, n - first))
        await writer.write(data, first * cols * 4)
      }
    }),
  )
  const listFolder = join(folder, 'knn')
  const options = { probes, seed, threads, blockRows: ROWS_A_BLOCK }
  await notes.phase('knn by cells', async (beat) => {
    await knnOnDisk(kernels, x, k, listFolder, { ...options, onProgress: beat })
  })
  const stored = await knnOnDisk(kernels, x, k, listFolder, options)
  let held: NeighbourLists | undefined
  const lists = async () => {
    held ??= await readLists(stored)
    return held
  }
  let recall = notes.value('recall')
  await notes.phase('recall on a sample', async () => {
    recall = await measureRecall(kernels, x, await lists(), { sample: SAMPLE })
    notes.keep('recall', recall)
  })

  const confidenceFile = join(folder, 'confidence.f32')
  await notes.phase('gcn_v', async (beat) => {
    const parameters = toParameters(initGcnV({ features: cols, hidden: 512 }, seed))
    const writer = await openWriter(confidenceFile)
    const firstRow = notes.value('confidences') ?? 0
    for await (const block of gcnVBlocks(parameters, x, await lists(), { firstRow, blockRows: ROWS_A_BLOCK })) {
      await writer.write(block.confidence, block.firstRow * 4)
      await writer.sync()
      notes.keep('confidences', block.firstRow + block.confidence.length)
      beat({ phase: 'gcn_v', completed: block.firstRow + block.confidence.length, total: n })
    }
    await writer.close()
  })
  await notes.phase('partition', async () => {
    const all = await lists()
    const confidence = await readAll(confidenceFile, new Float32Array(n))
    const start = performance.now()
    const { labels } = treePartition(all, confidence, { tau: 0.4 })
    notes.keep('partitionSeconds', (performance.now() - start) / 1000)
    notes.keep('clusters', labels.reduce((most, label) => Math.max(most, label), -1) + 1)
  })
  return { n, cols, k, seed, probes, threads, kernels: kernels.name, processor: cpus()[0].model, ...notes.all() }
}

/** What phases took, kept in a file several times a minute, so that a killed process is counted too. */
function createNotes(file: string, identity: Record<string, number>) {
  const phases: Record<string, PhaseNote> = {}
  const values: Record<string, number> = {}
  if (existsSync(file)) {
    const found = JSON.parse(readFileSync(file, 'utf8'))
    if (JSON.stringify(found.identity) !== JSON.stringify(identity)) {
      throw new Error(`${file} belongs to another run: name another --folder, or remove this one`)
    }
    Object.assign(phases, found.phases)
    Object.assign(values, found.values)
  }
  const save = () => {
    writeFileSync(`${file}.new`, JSON.stringify({ identity, phases, values }, null, 2))
    renameSync(`${file}.new`, file)
  }
  return {
    value: (name: string): number | undefined => values[name],
    keep(name: string, value: number) {
      values[name] = value
      save()
    },
    all: () => ({ phases, values }),
    /** Runs the phase unless it is complete. */
    async phase(name: string, work: (beat: (progress: Progress) => void) => Promise<void>) {
      const before = phases[name]
      if (before?.isComplete) return print(name, before)
      const [cpu, wall] = [cpuSeconds(), performance.now()]
      let saved = wall
      const note = (isComplete: boolean) => {
        phases[name] = {
          seconds: (before?.seconds ?? 0) + (performance.now() - wall) / 1e3,
          cpuSeconds: (before?.cpuSeconds ?? 0) + cpuSeconds() - cpu,
          peakRssMiB: Math.max(before?.peakRssMiB ?? 0, Math.round(process.resourceUsage().maxRSS / 1024)),
          processes: (before?.processes ?? 0) + 1,
          isComplete,
        }
        save()
      }
      note(false)
      await work(({ phase, completed, total }) => {
        if (performance.now() - saved < 5000) return
        saved = performance.now()
        note(false)
        console.log(`  ${phase}: ${completed} of ${total}`)
      })
      note(true)
      print(name, phases[name])
    },
  }
}

function print(name: string, { seconds, cpuSeconds, peakRssMiB, processes }: PhaseNote): void {
  const columns = [seconds.toFixed(1), cpuSeconds.toFixed(1), String(peakRssMiB)]
  const parts = processes > 1 ? `  in ${processes} processes` : ''
  console.log(name.padEnd(44) + columns.map((column) => column.padStart(12)).join('') + parts)
}
