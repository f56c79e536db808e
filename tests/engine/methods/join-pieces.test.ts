import { expect, it } from 'vitest'
import { knn } from '../../../src/engine/knn/knn.ts'
import { normalizeRows } from '../../../src/engine/knn/normalize-rows.ts'
import { infomap } from '../../../src/engine/methods/infomap.ts'
import { joinPieces } from '../../../src/engine/methods/join-pieces.ts'
import { createRng } from '../../../src/engine/rng.ts'

const DIMENSION = 32

/** Two classes of several views of 50 rows, and 40 of one view of 12: views of one class are weakly alike, classes not at all. */
async function largeAndSmall() {
  const rng = createRng(11)
  const direction = () => Array.from({ length: DIMENSION }, () => rng.normal())
  const rows: number[][] = []
  const view: number[] = []
  const truth: number[] = []
  let next = 0
  for (const [label, count] of [4, 3, ...new Array<number>(40).fill(1)].entries()) {
    const centre = direction()
    for (let i = 0; i < count; i++, next++) {
      const own = direction()
      for (let m = 0; m < (count > 1 ? 50 : 12); m++) {
        rows.push(centre.map((value, c) => value + (own[c] as number) + 0.6 * rng.normal()))
        view.push(next)
        truth.push(label)
      }
    }
  }
  const x = await normalizeRows({ data: Float32Array.from(rows.flat()), rows: rows.length, cols: DIMENSION })
  return { x, view: Int32Array.from(view), truth: Int32Array.from(truth) }
}

const groups = (labels: Int32Array) => new Set(labels).size

it('joins the pieces of one class and keeps classes apart', async () => {
  const { x, view, truth } = await largeAndSmall()
  const joined = await joinPieces(view, x, { least: 40, seed: 1 })
  expect(groups(view)).toBe(47)
  expect(joined).toEqual(truth)
})

it('leaves clusters alone that the lists can see whole', async () => {
  const { x, view } = await largeAndSmall()
  expect(await joinPieces(view, x, { least: 51, seed: 1 })).toEqual(view)
})

it('is a parameter of the map equation, and says so', async () => {
  const { x, truth } = await largeAndSmall()
  const input = { lists: await knn(x, 20), features: x, seed: 1 }
  const apart = await infomap.decode({ ...input, parameters: {} })
  const joined = await infomap.decode({ ...input, parameters: { joinFrom: 40 } })
  const largest = (labels: Int32Array) => groups(labels.filter((_, v) => (truth[v] as number) < 2))
  expect(largest(apart.labels)).toBeGreaterThanOrEqual(7)
  expect(largest(joined.labels)).toBe(2)
  expect(joined.explanation).toMatch(/Modules of 40 and more/)
  expect(joined.parametersChosen).toMatchObject({ joinFrom: 40 })
})
