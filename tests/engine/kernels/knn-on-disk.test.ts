import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, describe, expect, it } from 'vitest'
import { layOutBlock, planCells, sortByCell } from '../../../src/engine/kernels/cells.ts'
import type { Kernels } from '../../../src/engine/kernels/contract.ts'
import { knnOnDisk } from '../../../src/engine/kernels/knn-on-disk.ts'
import { createNativeKernels, nativeEngines } from '../../../src/engine/kernels/native.ts'
import { readLists } from '../../../src/engine/kernels/neighbour-file.ts'
import { createPortableKernels } from '../../../src/engine/kernels/portable.ts'
import { referenceKernels } from '../../../src/engine/kernels/reference.ts'
import { createRng } from '../../../src/engine/rng.ts'
import type { Matrix, NeighbourLists } from '../../../src/engine/types.ts'

const root = mkdtempSync(join(tmpdir(), 'on-disk-'))
afterAll(() => rmSync(root, { recursive: true }))
let folders = 0
const newFolder = () => join(root, String(folders++))

const all: Kernels[] = [referenceKernels, await createPortableKernels()]
try {
  all.push(...nativeEngines().map((engine) => createNativeKernels({ engine })))
} catch (error) {
  console.warn(`not tested here: native kernels: ${(error as Error).message}`)
}

const x = clustered(900, 12, 30, 4)
const OPTIONS = { probes: 3, cells: 20, seed: 7 }

describe.each(all)('$name', (kernels) => {
  it('searches some cells as the reference does, given the same cells', async () => {
    const home = Int32Array.from({ length: 900 }, (_, i) => (i * i) % 11)
    const centres = clustered(11, 12, 11, 9)
    const [host, reference] = [await kernels.openCells(x), await referenceKernels.openCells(x)]
    const plan = await planCells(reference, home, centres, 2)
    const sorted = sortByCell(plan)
    for (const [first, last] of [
      [0, 4],
      [4, 5],
      [5, 11],
    ]) {
      const layout = layOutBlock(plan, sorted, first, last)
      const found = await host.searchCells(layout, 9)
      expect(found.n).toBe(sorted.cellStart[last] - sorted.cellStart[first])
      expect(found).toEqual(await reference.searchCells(layout, 9))
    }
    await host.close()
  })

  it('writes the lists of one call by cells, whatever the blocks', async () => {
    const blocks = await readLists(await knnOnDisk(kernels, x, 9, newFolder(), { ...OPTIONS, blockRows: 100 }))
    const one = await readLists(await knnOnDisk(kernels, x, 9, newFolder(), { ...OPTIONS, blockRows: 5000 }))
    expect(blocks).toEqual(one)
    if (kernels !== referenceKernels) expect(blocks).toEqual(await kernels.knn(x, 9, OPTIONS))
  })

  it('takes rows of any length from a file', async () => {
    const scaled = { ...x, data: x.data.map((value, i) => value * (1 + (Math.floor(i / 12) % 5))) }
    const file = join(root, `features-${folders}.f32`)
    writeFileSync(file, Buffer.concat([Buffer.alloc(8), Buffer.from(scaled.data.buffer)]))
    const stored = { file, rows: 900, cols: 12, offsetBytes: 8 }
    const folder = newFolder()
    const lists = await readLists(await knnOnDisk(kernels, stored, 6, folder, { ...OPTIONS, blockRows: 300 }))
    expect(lists).toEqual(await readLists(await knnOnDisk(kernels, scaled, 6, newFolder(), OPTIONS)))
    expect(readdirSync(folder).sort()).toEqual([
      'centres.f32',
      'home.i32',
      'ids.i32',
      'progress.json',
      'similarities.f32',
    ])
  })
})

describe('resuming', () => {
  const kernels = all[all.length - 1]

  it('goes on after the last whole block and gives the same lists, exact and by cells', async () => {
    for (const options of [{ blockRows: 120 }, { ...OPTIONS, blockRows: 120 }]) {
      const folder = newFolder()
      const stop = new AbortController()
      const interrupted = knnOnDisk(kernels, x, 8, folder, {
        ...options,
        signal: stop.signal,
        onProgress: ({ phase, completed }) => phase === 'knn' && completed > 400 && stop.abort(),
      })
      await expect(interrupted).rejects.toMatchObject({ code: 'ABORTED' })
      const seen: number[] = []
      const resumed = await knnOnDisk(kernels, x, 8, folder, {
        ...options,
        onProgress: ({ phase, completed, total }) => {
          expect(phase).toBe('knn')
          expect(total).toBe(900)
          seen.push(completed)
        },
      })
      expect(seen[0]).toBeGreaterThan(240)
      expect(seen.at(-1)).toBe(900)
      expect(await readLists(resumed)).toEqual(await readLists(await knnOnDisk(kernels, x, 8, newFolder(), options)))
    }
  })

  it('gives the same lists after the process was killed', async () => {
    const folder = newFolder()
    const file = join(root, 'features.f32')
    writeFileSync(file, Buffer.from(x.data.buffer))
    const stored = { file, rows: 900, cols: 12 }
    const options = { ...OPTIONS, blockRows: 90 }
    await searchUntilKilled(stored, folder, options, 300)
    expect(existsSync(join(folder, 'ids.i32'))).toBe(false)
    const lists = await readLists(await knnOnDisk(kernels, stored, 8, folder, options))
    expect(lists).toEqual(await readLists(await knnOnDisk(kernels, stored, 8, newFolder(), options)))
  })

  it('answers from a finished folder at once, and refuses one of another search', async () => {
    const folder = newFolder()
    const first = await readLists(await knnOnDisk(kernels, x, 8, folder, OPTIONS))
    const none = () => expect.unreachable('nothing is searched again')
    expect(await readLists(await knnOnDisk(kernels, x, 8, folder, { ...OPTIONS, onProgress: none }))).toEqual(first)
    expect(await readLists(await knnOnDisk(kernels, x, 8, folder, OPTIONS), 100, 5)).toEqual(slice(first, 100, 5))
    for (const other of [
      () => knnOnDisk(kernels, x, 7, folder, OPTIONS),
      () => knnOnDisk(kernels, x, 8, folder),
      () => knnOnDisk(kernels, { ...x, data: x.data.map((value) => -value) }, 8, folder, OPTIONS),
    ]) {
      await expect(other()).rejects.toMatchObject({
        code: 'BAD_OPTION',
        message: expect.stringContaining('name another'),
      })
    }
  })

  it('writes nothing for no rows', async () => {
    const empty = { data: new Float32Array(0), rows: 0, cols: 4 }
    expect(await readLists(await knnOnDisk(kernels, empty, 3, newFolder(), OPTIONS))).toMatchObject({ n: 0, k: 3 })
  })
})

/** Runs the search in a process of its own, and kills that as soon as it reports so many rows. */
async function searchUntilKilled(stored: object, folder: string, options: object, rows: number): Promise<void> {
  const script = `
    import { knnOnDisk } from './src/engine/kernels/knn-on-disk.ts'
    import { loadKernels } from './src/engine/kernels/select.ts'
    const { kernels } = await loadKernels()
    const onProgress = ({ phase, completed }) => {
      if (phase === 'knn' && completed >= ${rows}) process.kill(process.pid, 'SIGKILL')
    }
    await knnOnDisk(kernels, ${JSON.stringify(stored)}, 8, ${JSON.stringify(folder)}, { ...${JSON.stringify(options)}, onProgress })
    console.log('finished')
  `
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const [, signal] = await once(child, 'exit')
  expect(lines).toEqual([])
  expect(signal).toBe('SIGKILL')
}

function slice({ k, ids, similarities }: NeighbourLists, first: number, count: number): NeighbourLists {
  const [from, to] = [first * k, (first + count) * k]
  return { n: count, k, ids: ids.slice(from, to), similarities: similarities.slice(from, to) }
}

/** Unit rows around centres. */
function clustered(rows: number, cols: number, classes: number, seed: number): Matrix {
  const rng = createRng(seed)
  const centres = Float32Array.from({ length: classes * cols }, () => rng.normal())
  const data = new Float32Array(rows * cols)
  for (let i = 0; i < rows; i++) {
    const centre = rng.int(classes) * cols
    let square = 0
    for (let c = 0; c < cols; c++) {
      data[i * cols + c] = centres[centre + c] + 0.3 * rng.normal()
      square += data[i * cols + c] ** 2
    }
    for (let c = 0; c < cols; c++) data[i * cols + c] /= Math.sqrt(square)
  }
  return { data, rows, cols }
}
