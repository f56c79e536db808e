import { EventEmitter } from 'node:events'
import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Prisma, PrismaClient } from '../../src/generated/prisma/client.ts'
import type { Database } from '../../src/infra/database.ts'
import { linkSessions } from '../../src/infra/direct-sql.ts'
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

describe('statements that nobody waits for', () => {
  const named = (name: string) => Prisma.sql`UPDATE "User" SET "displayName" = ${name} WHERE "id" = ${userId}::uuid`
  const nameNow = async () =>
    (await database.prisma.$queryRaw<{ name: string }[]>`SELECT "displayName" AS "name" FROM "User"`)[0]?.name
  afterEach(async () => {
    await database.prisma.user.deleteMany()
  })

  it('run in the order of the calls, from the first on', async () => {
    const counts = await database.prisma.$transaction((tx) =>
      Promise.all([tx.$executeRaw(insert()), tx.$executeRaw(named('Grace')), tx.$executeRaw(named('Joan'))]),
    )
    expect(counts).toEqual([1, 1, 1])
    expect(await nameNow()).toBe('Joan')
  })

  it('are part of the transaction that commits behind them', async () => {
    let writing: Promise<number> | undefined
    await database.prisma.$transaction(async (tx) => {
      await tx.$executeRaw(insert())
      writing = tx.$executeRaw(named('Grace'))
    })
    expect(await writing).toBe(1)
    expect(await nameNow()).toBe('Grace')
  })

  it('undo the transaction where they fail, and tell who waits for them', async () => {
    let writing: Promise<unknown> | undefined
    await database.prisma.$transaction(async (tx) => {
      await tx.$executeRaw(insert())
      writing = tx.$queryRaw`SELECT 1 / 0`
      writing.catch(() => {})
    })
    await expect(writing).rejects.toMatchObject({ code: '22012' })
    expect(await countUsers()).toBe(0)
  })

  it('follow a COMMIT, see what it left, and have a transaction of their own', async () => {
    const found = await database.prisma.$transaction(async (tx) => {
      await tx.$executeRaw(insert())
      const name = Prisma.sql`SELECT "displayName" AS "name", pg_current_xact_id_if_assigned() IS NULL AS "isNew" FROM "User"`
      return { following: database.afterCommit<{ name: string; isNew: boolean }>(tx, name) }
    })
    expect(await found.following).toEqual([{ name: 'Ada', isNew: true }])
  })

  it('find nothing where there was no COMMIT', async () => {
    let following: Promise<unknown[]> | undefined
    const failing = database.prisma.$transaction(async (tx) => {
      await tx.$executeRaw(insert())
      following = database.afterCommit(tx, Prisma.sql`SELECT 1`)
      throw new Error('never mind')
    })
    await expect(failing).rejects.toThrow('never mind')
    expect(await following).toEqual([])
  })

  it('follow nothing before there was a first statement', async () => {
    await database.prisma.$transaction(async (tx) => {
      await expect(database.afterCommit(tx, Prisma.sql`SELECT 1`)).rejects.toThrow(/has begun/)
    })
  })
})

it('a session whose BEGIN fails ends', async () => {
  class Session {
    ended = 0
    async query(_text: string): Promise<void> {
      throw new Error('no')
    }
    async end(): Promise<void> {
      this.ended++
    }
  }
  const pool = new EventEmitter()
  linkSessions(pool as never)
  const session = new Session()
  pool.emit('connect', session)
  await session.query('BEGIN')
  await new Promise((resolve) => setImmediate(resolve))
  expect(session.ended).toBe(1)
})
