import { expect, it } from 'vitest'
import { knnBlocks } from '../../../src/engine/kernels/knn-blocks.ts'
import { measureRecall } from '../../../src/engine/kernels/recall.ts'
import { loadKernels } from '../../../src/engine/kernels/select.ts'
import { createRng } from '../../../src/engine/rng.ts'
import type { Matrix, NeighbourLists } from '../../../src/engine/types.ts'

const { kernels } = await loadKernels()
const x = randomRows(230, 16)
const whole = await kernels.knn(x, 7)

it('delivers the lists of one call, block by block', async () => {
  const ids: number[] = []
  const starts: number[] = []
  for await (const { firstRow, lists } of knnBlocks(kernels, x, 7, { blockRows: 100 })) {
    starts.push(firstRow)
    ids.push(...lists.ids)
  }
  expect(starts).toEqual([0, 100, 200])
  expect(ids).toEqual([...whole.ids])
})

it('resumes where an interrupted run stopped', async () => {
  const rest: number[] = []
  for await (const { lists } of knnBlocks(kernels, x, 7, { firstRow: 150, blockRows: 50 })) rest.push(...lists.ids)
  expect(rest).toEqual([...whole.ids.slice(150 * 7)])
})

it('counts progress over all rows and stops between blocks', async () => {
  const seen: number[] = []
  const stop = new AbortController()
  const blocks = knnBlocks(kernels, x, 7, {
    blockRows: 115,
    signal: stop.signal,
    onProgress: ({ completed, total }) => {
      expect(total).toBe(230)
      seen.push(completed)
    },
  })
  await blocks.next()
  stop.abort()
  await expect(blocks.next()).rejects.toMatchObject({ code: 'ABORTED' })
  expect(seen.at(-1)).toBe(115)
})

it('never goes back while a search is under way, nor stops at nothing while its lists are finished', async () => {
  const many = randomRows(15_000, 16)
  const seen: number[] = []
  // Long lists of short rows: finishing is what takes long.
  await kernels.knn(many, 300, { onProgress: ({ completed }) => seen.push(completed) })
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
  expect(seen.at(-1)).toBe(15_000)
  expect(seen.filter((completed) => completed > 0 && completed < 15_000).length).toBeGreaterThan(0)
})

it('measures a recall of 1 for exact lists, and less the more neighbours are wrong', async () => {
  expect(await measureRecall(kernels, x, whole, { sample: 100 })).toBe(1)
  const halved: NeighbourLists = { ...whole, similarities: whole.similarities.map((s, i) => (i % 7 < 3 ? s : -1)) }
  expect(await measureRecall(kernels, x, halved, { sample: 230 })).toBeCloseTo(3 / 7, 6)
})

function randomRows(rows: number, cols: number): Matrix {
  const rng = createRng(1)
  return { data: Float32Array.from({ length: rows * cols }, () => rng.normal()), rows, cols }
}
