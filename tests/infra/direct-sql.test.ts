import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Prisma, PrismaClient } from '../../src/generated/prisma/client.ts'
import type { Database } from '../../src/infra/database.ts'
import { openTestDatabase } from '../support/database.ts'

let database: Database
let own: PrismaClient

beforeAll(async () => {
  database = await openTestDatabase()
  own = new PrismaClient({ adapter: new PrismaPg(database.pool) })
})
afterAll(async () => {
  await own?.$disconnect()
  await database?.close()
})

const userId = '019b0000-0000-7000-8000-000000000001'
const insert = () => Prisma.sql`INSERT INTO "User" ("id", "displayName") VALUES (${userId}::uuid, 'Ada')`
const countUsers = async () =>
  (await database.prisma.$queryRaw<{ n: number }[]>`SELECT count(*)::int AS n FROM "User"`)[0]?.n

const VALUES = [
  'NULL::text',
  '\'a "b" ü\'::text',
  '7::int2',
  '-3::int4',
  '9007199254740993::int8',
  '0.5::float4',
  '0.1::float8',
  "'NaN'::float8",
  '12.50::numeric',
  'true',
  "'019b0000-0000-7000-8000-00000000000a'::uuid",
  "'2026-02-03 04:05:06.789+00'::timestamptz",
  "'2026-02-03 04:05:06'::timestamp",
  "'2026-02-03'::date",
  `'{"a": [1, null, "x"]}'::jsonb`,
  `'[1.5]'::json`,
  '\'ADMIN\'::"Role"',
  `'\\x00ff10'::bytea`,
  "ARRAY['a', NULL, 'b,c']::text[]",
  'ARRAY[1, 2]::int4[]',
  'ARRAY[9007199254740993]::int8[]',
  'ARRAY[1.5, 2]::float8[]',
  'ARRAY[true, false]',
  "ARRAY['019b0000-0000-7000-8000-00000000000a']::uuid[]",
  `ARRAY['{"b": 1}']::jsonb[]`,
  'ARRAY[]::text[]',
]

it.each(VALUES)('%s is read as Prisma itself reads it', async (value) => {
  const text = `SELECT ${value} AS v`
  const [expected] = await own.$queryRawUnsafe<{ v: unknown }[]>(text)
  const [found] = await database.prisma.$queryRawUnsafe<{ v: unknown }[]>(text)
  const plain = (v: unknown) => (v instanceof Uint8Array ? [...v] : v)
  expect(plain(found?.v)).toEqual(plain(expected?.v))
})

it('takes parameters as Prisma itself takes them', async () => {
  const at = new Date('2026-02-03T04:05:06.789Z')
  const bytes = new Uint8Array([0, 255, 16])
  const ask = (prisma: PrismaClient) => prisma.$queryRaw`
    SELECT ${'x'}::text AS t, ${7}::int AS i, ${9007199254740993n}::int8 AS b, ${1.5}::float8 AS f, ${true}::bool AS o,
      ${null}::text AS n, ${at}::timestamptz AS d, encode(${bytes}::bytea, 'hex') AS y, ${['a', 'b"c']}::text[] AS l,
      ${[1, 2]}::int[] AS li, ${JSON.stringify({ a: 1 })}::jsonb AS j`
  expect(await ask(database.prisma)).toEqual(await ask(own))
})

it('writes within the transaction of Prisma, whose models see it, and undoes it with that', async () => {
  await expect(
    database.prisma.$transaction(async (tx) => {
      expect(await tx.$executeRaw(insert())).toBe(1)
      expect(await tx.user.findUnique({ where: { id: userId } })).toMatchObject({ displayName: 'Ada' })
      throw new Error('never mind')
    }),
  ).rejects.toThrow('never mind')
  expect(await countUsers()).toBe(0)
})

it('a transaction that Prisma has ended for taking too long takes no further statement', async () => {
  let refusal: unknown
  await expect(
    database.prisma.$transaction(
      async (tx) => {
        await tx.$queryRaw`SELECT 1`
        await new Promise((resolve) => setTimeout(resolve, 400))
        refusal = await tx.$executeRaw(insert()).catch((error) => error)
        throw refusal
      },
      { timeout: 100 },
    ),
  ).rejects.toThrow()
  expect(String(refusal)).toMatch(/this transaction has ended/)
  expect(await countUsers()).toBe(0)
})

it('the errors of the database keep their code', async () => {
  await expect(database.prisma.$queryRaw`SELECT 1 / 0`).rejects.toMatchObject({ code: '22012' })
})
