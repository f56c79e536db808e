import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { KnnOptions } from '../../../src/engine/kernels/contract.ts'
import { referenceKernels } from '../../../src/engine/kernels/reference.ts'
import { createRng } from '../../../src/engine/rng.ts'
import type { CsrGraph, Matrix, NeighbourLists } from '../../../src/engine/types.ts'
import { implementations } from './implementations.ts'

const { all, missing } = await implementations()
for (const reason of missing) console.warn(`not tested here: ${reason}`)

describe.each(all)('$name', (kernels) => {
  describe('knn by hand', () => {
    it('finds the nearest on a picture of four arrows', async () => {
      // East, a little north of east, north, west.
      const x = matrix([1, 0], [0.8, 0.6], [0, 1], [-1, 0])
      const { ids, similarities } = await kernels.knn(x, 2)
      expect([...ids]).toEqual([1, 2, 0, 2, 1, 0, 2, 1])
      expect([...similarities].map((s) => Math.round(s * 100) / 100)).toEqual([0.8, 0, 0.8, 0.6, 0.6, 0, 0, -0.8])
    })

    it('breaks ties by the lower id', async () => {
      const x = matrix([1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [1, 0])
      const { ids } = await kernels.knn(x, 3)
      expect([...ids.slice(0, 3)]).toEqual([2, 4, 5])
      expect([...ids.slice(12, 15)]).toEqual([0, 2, 5])
      expect([...ids.slice(3, 6)]).toEqual([3, 0, 2])
    })

    it('fills what a row has not with -1 and 0', async () => {
      const { ids, similarities } = await kernels.knn(matrix([1, 0], [0, 2]), 3)
      expect([...ids]).toEqual([1, -1, -1, 0, -1, -1])
      expect([...similarities]).toEqual([0, 0, 0, 0, 0, 0])
    })

    it('answers for chosen rows only, in their order', async () => {
      const x = gaussian(40, 9, 1)
      const whole = await kernels.knn(x, 5)
      const some = await kernels.knn(x, 5, { queries: Int32Array.of(7, 0, 39) })
      expect(some.n).toBe(3)
      expect([...some.ids]).toEqual([7, 0, 39].flatMap((row) => [...whole.ids.slice(row * 5, row * 5 + 5)]))
    })
  })

  describe('knn at the edge', () => {
    it('answers nothing for no rows, and one empty list for one row', async () => {
      expect((await kernels.knn({ data: new Float32Array(0), rows: 0, cols: 4 }, 3)).ids).toHaveLength(0)
      expect([...(await kernels.knn(matrix([0, 5, 0]), 2)).ids]).toEqual([-1, -1])
    })

    it('leaves its input alone', async () => {
      const x = gaussian(50, 7, 2, 30)
      const before = x.data.slice()
      await kernels.knn(x, 4)
      expect(x.data).toEqual(before)
    })

    it.each([
      ['a row of zeros', [0, 0, 0], 'NOT_FINITE', 'row 1 of x has no direction'],
      ['NaN', [1, Number.NaN, 0], 'NOT_FINITE', 'row 1 of x must be finite'],
      ['infinity', [1, 0, Number.POSITIVE_INFINITY], 'NOT_FINITE', 'row 1 of x must be finite'],
    ])('refuses %s', async (_what, row, code, message) => {
      const refusal = kernels.knn(matrix([1, 0, 0], row, [0, 0, 1]), 1)
      await expect(refusal).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    })

    it('refuses shapes and options that make no sense', async () => {
      const x = gaussian(5, 3, 1)
      const refused = (store: Matrix, k: number, options?: KnnOptions) =>
        kernels.knn(store, k, options).then(
          () => 'accepted',
          (error: { code: string }) => error.code,
        )
      expect(await refused({ ...x, rows: 6 }, 1)).toBe('SHAPE_MISMATCH')
      expect(await refused(x, 0)).toBe('BAD_OPTION')
      expect(await refused(x, 1.5)).toBe('BAD_OPTION')
      expect(await refused(x, 1, { probes: 0 })).toBe('BAD_OPTION')
      expect(await refused(x, 1, { queries: Int32Array.of(5) })).toBe('SHAPE_MISMATCH')
      expect(await refused(x, 1, { queries: Int32Array.of(0), probes: 2 })).toBe('BAD_OPTION')
    })

    it.each([{}, { probes: 40 }])(
      'stops within a second of being told, before and during, with %o',
      async (options) => {
        const early = kernels.knn(gaussian(9, 3, 1), 2, { ...options, signal: AbortSignal.abort() })
        await expect(early).rejects.toMatchObject({ code: 'ABORTED' })
        const stop = new AbortController()
        const late = kernels.knn(big(), 20, { ...options, signal: stop.signal, threads: 1 })
        setTimeout(() => stop.abort(), 20)
        // Of processor time, of which one thread takes a second a second: a busy machine does not disturb it.
        const start = process.cpuUsage()
        await expect(late).rejects.toMatchObject({ code: 'ABORTED' })
        const { user, system } = process.cpuUsage(start)
        expect((user + system) / 1e6).toBeLessThan(1)
      },
    )
  })

  describe('knn agrees with the reference, bit for bit', () => {
    it.each(Object.entries(adversaries()))('%s', async (_name, [x, k]) => {
      expect(difference(await kernels.knn(x, k), await reference(x, k))).toBe('none')
    })

    it('with any number of threads', async () => {
      const x = gaussian(2100, 24, 11)
      const expected = await reference(x, 12)
      for (const threads of [1, 2, 5]) expect(difference(await kernels.knn(x, 12, { threads }), expected)).toBe('none')
    })

    it('from a file, past its header', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'kernels-'))
      try {
        const x = gaussian(60, 10, 5)
        const file = join(folder, 'features.f32')
        writeFileSync(file, Buffer.concat([Buffer.alloc(12), Buffer.from(x.data.buffer)]))
        const stored = { file, rows: 60, cols: 10, offsetBytes: 12 }
        expect(difference(await kernels.knn(stored, 6), await reference(x, 6))).toBe('none')
        await expect(kernels.knn({ ...stored, rows: 61 }, 6)).rejects.toThrow('must hold')
      } finally {
        rmSync(folder, { recursive: true })
      }
    })
  })

  describe('knn by cells', () => {
    it('finds nearly all neighbours from few cells, and all from all cells', async () => {
      const x = clustered(1500, 16, 40, 3)
      const exact = await reference(x, 10)
      const few = await kernels.knn(x, 10, { probes: 6, cells: 24, seed: 5 })
      expect(recall(few, exact)).toBeGreaterThan(0.9)
      const every = await kernels.knn(x, 10, { probes: 24, cells: 24 })
      expect(difference(every, exact)).toBe('none')
    })

    it('copes with more cells than rows, and with rows all alike', async () => {
      const few = gaussian(7, 5, 8)
      expect(difference(await kernels.knn(few, 3, { probes: 50, cells: 90 }), await reference(few, 3))).toBe('none')
      const same = { data: new Float32Array(300 * 4).fill(0.5), rows: 300, cols: 4 }
      const { similarities } = await kernels.knn(same, 5, { probes: 3, cells: 3 })
      expect(Math.min(...similarities)).toBeGreaterThan(0.999)
    })

    it('gives the same answer to the same seed', async () => {
      const x = clustered(800, 12, 20, 9)
      const options = { probes: 3, cells: 16, seed: 4 }
      expect(difference(await kernels.knn(x, 8, options), await kernels.knn(x, 8, { ...options, threads: 3 }))).toBe(
        'none',
      )
    })
  })

  describe('aggregate', () => {
    it('weighs the rows that edges point to', async () => {
      const graph = csr(3, [
        [0, 1, 0.5],
        [0, 2, 2],
        [2, 2, 1],
      ])
      const out = await kernels.aggregate(matrix([1, 2], [10, 20], [100, 200]), graph)
      expect([...out]).toEqual([205, 410, 0, 0, 100, 200])
    })

    it('refuses edges to nowhere', async () => {
      const refusal = kernels.aggregate(matrix([1]), csr(1, [[0, 1, 1]]))
      await expect(refusal).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' })
    })

    it.each([1, 63, 64, 130])('agrees with the reference at %i columns', async (cols) => {
      const x = gaussian(90, cols, 6)
      const rng = createRng(cols)
      const edges = Array.from(
        { length: 900 },
        () => [rng.int(90), rng.int(90), rng.next()] as [number, number, number],
      )
      const graph = csr(90, edges)
      const [out, expected] = [await kernels.aggregate(x, graph), await referenceKernels.aggregate(x, graph)]
      expect(largestGap(out, expected)).toBeLessThan(1e-5)
    })
  })

  describe.runIf(kernels.gemm)('gemm', () => {
    const gemm = kernels.gemm ?? (() => {})

    it.each([
      [1, 1, 1, 1],
      [3, 5, 7, 2],
      [13, 33, 300, 1],
      [250, 65, 31, 3],
      [64, 4100, 9, 1],
    ])('agrees with the reference at m = %i, n = %i, k = %i, batch = %i', (m, n, k, batch) => {
      const a = gaussian(batch, m * k, 1).data
      const b = gaussian(batch, k * n, 2).data
      for (const [transposeA, transposeB] of [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ]) {
        const shape = { m, n, k, batch, transposeA, transposeB }
        const [c, expected] = [new Float32Array(batch * m * n).fill(9), new Float32Array(batch * m * n)]
        gemm(a, b, c, shape)
        referenceKernels.gemm?.(a, b, expected, shape)
        expect(largestGap(c, expected)).toBeLessThan(1e-4 * Math.sqrt(k))
      }
    })

    it('uses one operand for a whole batch when its stride is 0', () => {
      const c = new Float32Array(4)
      gemm(Float32Array.of(1, 2, 3, 4), Float32Array.of(10, 1), c, {
        m: 2,
        n: 1,
        k: 2,
        batch: 2,
        strideA: 0,
        strideB: 0,
      })
      expect([...c]).toEqual([12, 34, 12, 34])
    })
  })
})

/** Inputs that tempt coarse arithmetic to err. */
function adversaries(): Record<string, [Matrix, number]> {
  return {
    'dimension 1': [gaussian(70, 1, 1), 5],
    'dimension 3': [gaussian(333, 3, 2), 10],
    'dimension 37': [gaussian(500, 37, 3), 20],
    'dimension 131': [gaussian(400, 131, 4), 15],
    'dimension 700': [gaussian(130, 700, 5), 9],
    'k one below rows': [gaussian(65, 8, 6), 64],
    'k far above rows': [gaussian(33, 8, 7), 200],
    'every row a duplicate': [repeated(gaussian(60, 20, 8), 12), 30],
    'all rows equal': [{ data: new Float32Array(400 * 6).fill(0.25), rows: 400, cols: 6 }, 50],
    'scores that differ in the seventh digit': [nearlyEqual(600, 32, 9), 25],
    'huge and tiny norms': [gaussian(300, 20, 10, 30), 15],
    'denormal rows': [scaled(gaussian(100, 12, 12), 1e-41), 9],
    'largest rows': [scaled(gaussian(100, 12, 13), 5e37), 9],
    'one column dwarfs the rest': [spiked(300, 40, 14), 20],
    'opposite rows': [opposed(gaussian(150, 10, 15)), 40],
    'columns of zeros': [sparse(300, 64, 16), 20],
    'dense clusters wider than k': [clustered(1300, 24, 3, 17), 20],
    'several blocks and a remainder': [clustered(2777, 40, 60, 18), 33],
  }
}

function matrix(...rows: number[][]): Matrix {
  return { data: Float32Array.from(rows.flat()), rows: rows.length, cols: rows[0].length }
}

/** Normal rows; their norms spread over 10^-spread ... 10^spread. */
function gaussian(rows: number, cols: number, seed: number, spread = 0): Matrix {
  const rng = createRng(seed)
  const data = new Float32Array(rows * cols)
  for (let i = 0; i < rows; i++) {
    const scale = 10 ** (spread * (2 * rng.next() - 1))
    for (let c = 0; c < cols; c++) data[i * cols + c] = scale * rng.normal()
  }
  return { data, rows, cols }
}

function clustered(rows: number, cols: number, classes: number, seed: number): Matrix {
  const rng = createRng(seed)
  const centres = gaussian(classes, cols, seed + 1).data
  const { data } = gaussian(rows, cols, seed + 2)
  for (let i = 0; i < rows; i++) {
    const centre = rng.int(classes) * cols
    for (let c = 0; c < cols; c++) data[i * cols + c] = centres[centre + c] + 0.2 * data[i * cols + c]
  }
  return { data, rows, cols }
}

function repeated(x: Matrix, times: number): Matrix {
  const data = new Float32Array(x.data.length * times)
  for (let t = 0; t < times; t++) data.set(x.data, t * x.data.length)
  return { data, rows: x.rows * times, cols: x.cols }
}

function scaled(x: Matrix, by: number): Matrix {
  return { ...x, data: x.data.map((value) => value * by) }
}

function nearlyEqual(rows: number, cols: number, seed: number): Matrix {
  const base = gaussian(1, cols, seed).data
  const noise = gaussian(rows, cols, seed + 1)
  return { ...noise, data: noise.data.map((value, i) => base[i % cols] + 3e-4 * value) }
}

function spiked(rows: number, cols: number, seed: number): Matrix {
  const x = gaussian(rows, cols, seed)
  return { ...x, data: x.data.map((value, i) => (i % cols === 5 ? 300 * Math.sign(value) : value)) }
}

function opposed(x: Matrix): Matrix {
  const data = new Float32Array(x.data.length * 2)
  data.set(x.data)
  data.set(
    x.data.map((value) => -value),
    x.data.length,
  )
  return { data, rows: x.rows * 2, cols: x.cols }
}

function sparse(rows: number, cols: number, seed: number): Matrix {
  const x = gaussian(rows, cols, seed)
  return { ...x, data: x.data.map((value, i) => ((i * 7) % 11 === 0 || i % cols === 0 ? value : 0)) }
}

function csr(n: number, edges: [number, number, number][]): CsrGraph {
  const sorted = edges.toSorted((a, b) => a[0] - b[0])
  const offsets = new Float64Array(n + 1)
  for (const [from] of sorted) offsets[from + 1]++
  for (let v = 0; v < n; v++) offsets[v + 1] += offsets[v]
  return {
    n,
    offsets,
    targets: Int32Array.from(sorted, (edge) => edge[1]),
    weights: Float32Array.from(sorted, (edge) => edge[2]),
  }
}

const known = new Map<string, Promise<NeighbourLists>>()

/** The reference's answer, computed once for all implementations. */
function reference(x: Matrix, k: number): Promise<NeighbourLists> {
  const key = `${x.rows} ${x.cols} ${k} ${x.data.slice(0, 8)} ${x.data.slice(-8)}`
  const answer = known.get(key) ?? referenceKernels.knn(x, k)
  known.set(key, answer)
  return answer
}

let bigMatrix: Matrix | undefined

/** Seconds of work for every implementation. */
function big(): Matrix {
  bigMatrix ??= repeated(gaussian(1000, 256, 20), 120)
  return bigMatrix
}

function difference(a: NeighbourLists, b: NeighbourLists): string {
  if (a.n !== b.n || a.k !== b.k || a.ids.length !== b.ids.length) return `shape ${a.n} x ${a.k} and ${b.n} x ${b.k}`
  for (let i = 0; i < a.ids.length; i++) {
    if (a.ids[i] === b.ids[i] && Object.is(a.similarities[i], b.similarities[i])) continue
    const show = (lists: NeighbourLists) => `${lists.ids[i]} at ${lists.similarities[i]}`
    return `row ${Math.floor(i / a.k)}, neighbour ${i % a.k}: ${show(a)}, expected ${show(b)}`
  }
  return 'none'
}

function recall(found: NeighbourLists, exact: NeighbourLists): number {
  let hits = 0
  for (let i = 0; i < exact.n; i++) {
    const wanted = new Set(exact.ids.subarray(i * exact.k, (i + 1) * exact.k))
    for (let j = i * found.k; j < (i + 1) * found.k; j++) if (wanted.has(found.ids[j])) hits++
  }
  return hits / exact.ids.length
}

function largestGap(a: Float32Array, b: Float32Array): number {
  let gap = 0
  for (let i = 0; i < b.length; i++) gap = Math.max(gap, Math.abs(a[i] - b[i]))
  return gap
}
