import { afterAll, beforeAll, expect, it } from 'vitest'
import { Prisma } from '../../src/generated/prisma/client.ts'
import { createBulkWriter } from '../../src/infra/bulk-writer.ts'
import type { Database } from '../../src/infra/database.ts'
import type { BulkWriter } from '../../src/services/bulk-port.ts'
import { newId } from '../../src/services/id.ts'
import { openTestDatabase } from '../support/database.ts'

// On the embedded database through arrays, on a server (TEST_DATABASE_URL) through binary COPY: the rows must be the same.
let db: Database
let bulk: BulkWriter
const projectId = newId()
const spaceId = newId()

beforeAll(async () => {
  db = await openTestDatabase()
  bulk = createBulkWriter(db)
  await db.prisma.project.create({
    data: { id: projectId, name: 'bulk', embeddingDimension: 4, activeSpaceId: spaceId },
  })
})
afterAll(() => db.close())

/** Transactions wait and last long: other test files keep the machine busy. */
const patient = { timeout: 60_000, maxWait: 60_000 }

const insertItems = (ids: string[], keys: string[]) =>
  db.prisma.$transaction(
    (tx) =>
      bulk.insert(tx, 'Item', ids.length, {
        projectId: { type: 'uuid', value: projectId },
        id: { type: 'uuid', values: ids },
        externalKey: { type: 'text', values: keys },
        width: { type: 'int4', values: ids.map((_, i) => i - 1) },
        box: { type: 'jsonb', values: ids.map((_, i) => (i === 0 ? { x: 0.25 } : undefined)) },
        metadata: {
          type: 'jsonb',
          values: ids.map((_, i) => (i === 1 ? { quote: `"'\\{},\n`, list: [null, 'ß'] } : null)),
        },
      }),
    patient,
  )

it('writes text, numbers, JSON and nothing as they are; columns left out take their default', async () => {
  const ids = [newId(), newId(), newId()]
  const keys = ['plain', `quote " ' \\ { } , ${'\n'} and tab \t`, 'umlaut ä, 漢字, 🙂, NULL']
  await insertItems(ids, keys)
  const items = await db.prisma.item.findMany({ where: { projectId, id: { in: ids } }, orderBy: { id: 'asc' } })
  expect(items.map(({ externalKey }) => externalKey)).toEqual(keys)
  expect(items.map(({ width, height }) => [width, height])).toEqual([
    [-1, 0],
    [0, 0],
    [1, 0],
  ])
  expect(items.map(({ box }) => box)).toEqual([{ x: 0.25 }, null, null])
  expect(items[1]?.metadata).toEqual({ quote: `"'\\{},\n`, list: [null, 'ß'] })
  expect(items[0]?.createdAt.getTime()).toBeGreaterThan(Date.now() - 600_000)
})

it('writes vectors to the bit, whatever buffer they lie in', async () => {
  const all = new Float32Array(9)
  all.set([0.1, -1.5e-30, 3.4e38, 0, 1, 2, 3, 4], 1)
  const ids = [newId(), newId()]
  await db.prisma.$transaction((tx) =>
    bulk.insert(tx, 'Embedding', 2, {
      projectId: { type: 'uuid', value: projectId },
      spaceId: { type: 'uuid', value: spaceId },
      itemId: { type: 'uuid', values: ids },
      vector: { type: 'vector', values: [all.subarray(1, 5), all.subarray(5, 9)] },
    }),
  )
  const rows = await db.prisma.$queryRaw<{ v: number[] }[]>`
    SELECT "vector"::real[] AS v FROM "Embedding" WHERE "projectId" = ${projectId}::uuid ORDER BY "itemId"`
  expect(rows.map(({ v }) => [...Float32Array.from(v)])).toEqual([[...all.subarray(1, 5)], [...all.subarray(5, 9)]])
})

it('writes enums, and numbers of both sizes', async () => {
  const ids = [newId(), newId()]
  await db.prisma.$transaction(async (tx) => {
    await bulk.insert(tx, 'Vertex', 2, {
      projectId: { type: 'uuid', value: projectId },
      runId: { type: 'uuid', value: spaceId },
      index: { type: 'int4', values: Int32Array.of(0, 1) },
      itemId: { type: 'uuid', values: ids },
      clusterIndex: { type: 'int4', values: [7, 2 ** 31 - 1] },
      confidence: { type: 'float4', values: Float32Array.of(0.1, -2) },
      parentIndex: { type: 'int4', values: [1, null] },
      subtreeSize: { type: 'int4', value: 1 },
      impact: { type: 'float8', values: [1 / 3, 1e300] },
    })
    await bulk.insert(tx, 'IdentityMember', 2, {
      projectId: { type: 'uuid', value: projectId },
      itemId: { type: 'uuid', values: ids },
      identityId: { type: 'uuid', value: spaceId },
      source: { type: 'MembershipSource', values: ['HUMAN', 'MODEL'] },
    })
  })
  const vertices = await db.prisma.vertex.findMany({ where: { projectId }, orderBy: { index: 'asc' } })
  expect(vertices).toMatchObject([
    { clusterIndex: 7, parentIndex: 1, parentSimilarity: null, impact: 1 / 3 },
    { clusterIndex: 2 ** 31 - 1, parentIndex: null, confidence: -2, impact: 1e300 },
  ])
  expect(vertices[0]?.confidence).toBeCloseTo(0.1, 6)
  const members = await db.prisma.identityMember.findMany({ where: { projectId }, orderBy: { itemId: 'asc' } })
  expect(members.map(({ source }) => source)).toEqual(['HUMAN', 'MODEL'])
})

it('writes all or nothing, says why, and leaves the connection to others', async () => {
  const id = newId()
  await insertItems([id], ['once'])
  await expect(insertItems([newId(), newId()], ['twice', 'once'])).rejects.toThrow(/unique|duplicate/i)
  expect(await db.prisma.item.count({ where: { projectId, externalKey: 'twice' } })).toBe(0)
  await Promise.all(Array.from({ length: 8 }, (_, i) => insertItems([newId()], [`after ${i}`])))
  expect(await db.prisma.item.count({ where: { projectId, externalKey: { startsWith: 'after' } } })).toBe(8)
})

it('writes more than one buffer holds, and nothing where there is nothing', async () => {
  const ids = Array.from({ length: 1_000 }, () => newId())
  await insertItems(
    ids,
    ids.map((id) => `many ${id}`),
  )
  expect(await db.prisma.item.count({ where: { projectId, externalKey: { startsWith: 'many' } } })).toBe(1_000)
  await insertItems([], [])
})

it('waits for what is on its way on the same session', async () => {
  const following = Array.from({ length: 8 }, () =>
    db.prisma.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT 1`
      return { rows: db.afterCommit<{ n: number }>(tx, Prisma.sql`SELECT 7 AS n FROM pg_sleep(0.3)`) }
    }, patient),
  )
  // As soon as it is committed, the session is anybody's, whatever still follows the COMMIT.
  const sent = await Promise.all(following)
  const ids = Array.from({ length: 8 }, newId)
  await Promise.all(ids.map((id) => insertItems([id], [`behind ${id}`])))
  expect(await db.prisma.item.count({ where: { projectId, id: { in: ids } } })).toBe(8)
  for (const { rows } of sent) expect(await rows).toEqual([{ n: 7 }])
})

it('several inserts of one transaction may be asked for at once, among other statements', async () => {
  const ids = Array.from({ length: 6 }, newId)
  const item = (id: string) => ({
    projectId: { type: 'uuid' as const, value: projectId },
    id: { type: 'uuid' as const, values: [id] },
    externalKey: { type: 'text' as const, values: [`at once ${id}`] },
  })
  await db.prisma.$transaction(
    (tx) => Promise.all(ids.flatMap((id) => [bulk.insert(tx, 'Item', 1, item(id)), tx.$queryRaw`SELECT 1`])),
    patient,
  )
  expect(await db.prisma.item.count({ where: { projectId, id: { in: ids } } })).toBe(6)
})
