import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PrismaClient } from '../../src/generated/prisma/client.ts'
import type { Database } from '../../src/infra/database.ts'
import { decodeVector, encodeVector, encodeVectors, findVectorOid, shortDecimals } from '../../src/services/vectors.ts'
import { openTestDatabase } from '../support/database.ts'

let database: Database
let prisma: PrismaClient
let oid: number

beforeAll(async () => {
  database = await openTestDatabase()
  prisma = database.prisma
  oid = await findVectorOid(prisma, prisma)
})
afterAll(() => database.close())

/** What the database holds after a round trip: through a parameter in, through vector_send out. */
async function roundTrip(vectors: readonly Float32Array[], dimension: number): Promise<Float32Array> {
  const rows = await prisma.$queryRaw<{ bytes: Uint8Array }[]>`
    SELECT vector_send(v) AS bytes FROM unnest(${encodeVectors(vectors, oid)}::vector[]) WITH ORDINALITY AS t(v, row) ORDER BY row`
  const matrix = new Float32Array(rows.length * dimension)
  for (const [i, { bytes }] of rows.entries()) decodeVector(bytes, matrix, i * dimension)
  return matrix
}

test('a vector reads in the database as it was written', async () => {
  const [row] = await prisma.$queryRaw<{ text: string }[]>`
    SELECT (${encodeVector(Float32Array.of(1, -2.5, 0))}::vector)::text AS text`
  expect(row?.text).toBe('[1,-2.5,0]')
})

test('many vectors come back bit for bit, in order', async () => {
  const d = 256
  const vectors = Array.from({ length: 500 }, (_, i) => Float32Array.from({ length: d }, (_, j) => Math.sin(i * d + j)))
  const matrix = await roundTrip(vectors, d)
  expect(matrix).toEqual(Float32Array.from(vectors.flatMap((vector) => [...vector])))
})

test('the smallest and largest numbers survive', async () => {
  const extremes = Float32Array.of(2 ** -149, -(2 ** -126), 3.4028234663852886e38, -0, 1 / 3)
  expect(await roundTrip([extremes], extremes.length)).toEqual(extremes)
})

test('rows that share one buffer are told apart', async () => {
  const all = Float32Array.of(1, 2, 3, 4, 5, 6)
  expect(await roundTrip([all.subarray(2, 4), all.subarray(4, 6)], 2)).toEqual(Float32Array.of(3, 4, 5, 6))
})

test('no vectors are no rows', async () => {
  expect(await roundTrip([], 2)).toEqual(new Float32Array(0))
})

test.each([Number.NaN, Number.POSITIVE_INFINITY])('the database itself refuses %s', async (value) => {
  await expect(roundTrip([Float32Array.of(1, value)], 2)).rejects.toThrow(/NaN|infinite/)
})

test('a parameter gives the neighbours in order', async () => {
  const corpus = [Float32Array.of(1, 0), Float32Array.of(0, 1), Float32Array.of(1, 1)]
  const rows = await prisma.$queryRaw<{ row: bigint; distance: number }[]>`
    SELECT row, v <=> ${encodeVector(Float32Array.of(1, 0.1))}::vector AS distance
    FROM unnest(${encodeVectors(corpus, oid)}::vector[]) WITH ORDINALITY AS t(v, row) ORDER BY distance`
  expect(rows.map(({ row }) => Number(row))).toEqual([1, 3, 2])
  expect(rows[0]?.distance).toBeCloseTo(1 - 1 / Math.hypot(1, 0.1), 6)
})

test('short decimals are the same numbers in 32 bits, and shorter', () => {
  const extremes = [0, 1, -1, 1 / 3, 1e-12, -3e-39, 3.4e38, 1e-45, 0.1, 123456.789]
  const usual = Array.from({ length: 2_000 }, (_, i) => 0.2 * Math.sin(i * 12.9898))
  for (const values of [extremes, usual]) {
    const vector = Float32Array.from(values)
    expect(Float32Array.from(JSON.parse(JSON.stringify(shortDecimals(vector))))).toEqual(vector)
  }
  const vector = Float32Array.from(usual)
  const length = (numbers: number[]) => JSON.stringify(numbers).length
  expect(length(shortDecimals(vector))).toBeLessThan(0.7 * length([...vector]))
})
