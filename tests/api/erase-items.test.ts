import { afterAll, beforeAll, expect, it } from 'vitest'
import { decodeId, decodeRoot } from '../../src/resolvers/global-id.ts'
import { withoutIds } from '../../src/services/erase-items.ts'
import { readAll } from '../../src/services/media.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { openReviewProject, type ReviewProject } from '../support/review-project.ts'

let t: TestApp
let p: ReviewProject
let projectId: string
beforeAll(async () => {
  t = await openTestApp()
  p = await openReviewProject(t, { classes: 12, perClass: 6 })
  projectId = decodeRoot('Project', p.projectId)
})
afterAll(() => t?.close())

const ERASE =
  'mutation($input: EraseItemsInput!) { eraseItems(input: $input) { items { id externalKey erasedAt metadata width identity { id } imageUrl } job { id } userErrors { code message path } } }'
const erase = async (input: object, as?: string) =>
  (
    await t.ok(
      ERASE,
      { input: { projectId: p.projectId, reason: 'asked by the person shown', idempotencyKey: key(), ...input } },
      as,
    )
  ).eraseItems

it('clears picture, thumbnails, vectors, metadata, membership and questions, and leaves a tombstone', async () => {
  const { prisma } = t.app
  // An item that is asked about, and shown in panels of other questions too.
  const task = await prisma.reviewTask.findFirstOrThrow({
    where: { projectId, state: 'PENDING' },
    orderBy: { priority: 'desc' },
  })
  const itemId = task.leftItemId as string
  const item = await prisma.item.findUniqueOrThrow({ where: { projectId_id: { projectId, id: itemId } } })
  const imageKey = item.imageKey as string
  const member = await prisma.identityMember.findUniqueOrThrow({ where: { projectId_itemId: { projectId, itemId } } })
  const before = await prisma.identity.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: member.identityId } },
  })
  const { items } = (
    await t.ok(
      'query($id: ID!, $keys: [String!]) { project(id: $id) { items(filter: { externalKeys: $keys }) { edges { node { id thumbnailUrl } } } } }',
      {
        id: p.projectId,
        keys: [item.externalKey],
      },
    )
  ).project
  const { id, thumbnailUrl } = items.edges[0].node
  const thumbnailPath = new URL(thumbnailUrl).pathname.replace('/media/', '')
  await t.app.images.thumbnail(await readAll(t.app, imageKey), 160)
  await t.app.files.putAt(thumbnailPath, Buffer.from('a thumbnail'))
  expect(await t.app.files.sizeOf(thumbnailPath)).toBeDefined()
  expect(await prisma.embedding.count({ where: { projectId, itemId } })).toBe(1)

  // A dataset and an export that hold it.
  await prisma.identity.updateMany({ where: { projectId }, data: { state: 'CONFIRMED' } })
  const { createDatasetVersion } = await t.ok(
    'mutation($input: CreateDatasetVersionInput!) { createDatasetVersion(input: $input) { datasetVersion { id } job { id } } }',
    { input: { projectId: p.projectId, idempotencyKey: key() } },
  )
  await t.waitForJob(createDatasetVersion.job.id)
  const datasetVersionId = createDatasetVersion.datasetVersion.id
  const { createExport } = await t.ok(
    'mutation($input: CreateExportInput!) { createExport(input: $input) { export { id job { id } } } }',
    { input: { datasetVersionId, format: 'JSONL', idempotencyKey: key() } },
  )
  await t.waitForJob(createExport.export.job.id)
  const look = () =>
    t.ok('query($id: ID!) { node(id: $id) { ... on Export { isWithdrawn files { name } job { state } } } }', {
      id: createExport.export.id,
    })
  expect((await look()).node).toMatchObject({ isWithdrawn: false, files: [{}], job: { state: 'SUCCEEDED' } })
  const version = () =>
    prisma.datasetVersion.findUniqueOrThrow({
      where: { projectId_id: { projectId, id: decodeId('DatasetVersion', datasetVersionId).id } },
    })
  const frozen = await version()
  const exportFile = await prisma.exportFile.findFirstOrThrow({ where: { projectId } })

  const revision = before.revision
  const { items: tombstones, job, userErrors } = await erase({ itemIds: [id] })
  expect(userErrors).toEqual([])
  expect(tombstones).toMatchObject([
    { id, externalKey: item.externalKey, erasedAt: expect.any(String), metadata: null, width: 0, identity: null },
  ])
  expect(tombstones[0].imageUrl).toContain('/media/none.svg')
  expect(await prisma.embedding.count({ where: { projectId, itemId } })).toBe(0)
  expect(await prisma.identityMember.count({ where: { projectId, itemId } })).toBe(0)
  const after = await prisma.identity.findUniqueOrThrow({
    where: { projectId_id: { projectId, id: member.identityId } },
  })
  expect([after.memberCount, after.revision]).toEqual([before.memberCount - 1, revision + 1])
  expect(after.coverItemId).not.toBe(itemId)
  // No question is about it, and none shows it.
  expect(
    (await prisma.reviewTask.findUniqueOrThrow({ where: { projectId_id: { projectId, id: task.id } } })).state,
  ).toBe('OBSOLETE')
  const tasks = await prisma.reviewTask.findMany({ where: { projectId } })
  expect(tasks.filter(({ panels }) => JSON.stringify(panels).includes(itemId))).toEqual([])
  // The past can be replayed up to now: it left.
  const events = await prisma.membershipEvent.findMany({ where: { projectId, itemId }, orderBy: { id: 'asc' } })
  expect(events.at(-1)).toMatchObject({ fromIdentityId: member.identityId, toIdentityId: null })
  expect(await prisma.auditEvent.findFirstOrThrow({ where: { projectId, action: 'item.erased' } })).toMatchObject({
    targetId: itemId,
    detail: { reason: 'asked by the person shown' },
  })

  expect(await t.waitForJob(job.id)).toMatchObject({ state: 'SUCCEEDED' })
  expect(await t.app.files.sizeOf(imageKey)).toBeUndefined()
  expect(await t.app.files.sizeOf(thumbnailPath)).toBeUndefined()
  const left = await version()
  expect(left.itemCount).toBe(frozen.itemCount - 1)
  expect(left.contentHash).not.toBe(frozen.contentHash)
  expect(await t.app.files.sizeOf(frozen.manifestKey as string)).toBeUndefined()
  expect(await t.app.files.sizeOf(exportFile.fileKey)).toBeUndefined()
  expect(await prisma.exportFile.count({ where: { projectId } })).toBe(0)
  expect((await look()).node).toEqual({ isWithdrawn: true, files: [], job: { state: 'SUCCEEDED' } })

  // Erased is erased: a second time changes nothing, and no list shows it.
  expect(await erase({ itemIds: [id] })).toMatchObject({ items: [{ id }], job: null, userErrors: [] })
  const { project } = await t.ok(
    'query($id: ID!, $keys: [String!]) { project(id: $id) { items(filter: { externalKeys: $keys }) { edges { node { id } } } } }',
    {
      id: p.projectId,
      keys: [item.externalKey],
    },
  )
  expect(project.items.edges).toEqual([])
})

it('keeps a picture that another item shows', async () => {
  const { prisma } = t.app
  const [one, other] = await prisma.item.findMany({
    where: { projectId, erasedAt: null },
    take: 2,
    orderBy: { id: 'desc' },
  })
  if (!one || !other) throw new Error('two items are needed')
  const imageKey = other.imageKey as string
  await prisma.item.update({ where: { projectId_id: { projectId, id: one.id } }, data: { imageKey } })
  const { items } = (
    await t.ok(
      'query($id: ID!, $keys: [String!]) { project(id: $id) { items(filter: { externalKeys: $keys }) { edges { node { id } } } } }',
      {
        id: p.projectId,
        keys: [one.externalKey],
      },
    )
  ).project
  const { job } = await erase({ itemIds: [items.edges[0].node.id] })
  expect(await t.waitForJob(job.id)).toMatchObject({ state: 'SUCCEEDED' })
  expect(await t.app.files.sizeOf(imageKey)).toBeGreaterThan(0)
})

it('is for admins, of items of this project, with a reason', async () => {
  const { viewer } = await t.ok('{ viewer { id } }', {}, t.strangerToken)
  await t.ok('mutation($input: SetMembershipInput!) { setMembership(input: $input) { userErrors { code } } }', {
    input: { projectId: p.projectId, userId: viewer.id, role: 'ENGINEER' },
  })
  const { items } = (
    await t.ok('query($id: ID!) { project(id: $id) { items(first: 1) { edges { node { id } } } } }', {
      id: p.projectId,
    })
  ).project
  const itemIds = [items.edges[0].node.id]
  expect((await erase({ itemIds }, t.strangerToken)).userErrors[0]).toMatchObject({
    code: 'FORBIDDEN',
    message: expect.stringContaining('ADMIN'),
  })
  expect((await erase({ itemIds: [p.projectId] })).userErrors[0].code).toBe('NOT_FOUND')
  expect((await erase({ itemIds, reason: ' ' })).userErrors[0]).toMatchObject({
    code: 'INVALID',
    path: ['input', 'reason'],
  })
  expect((await erase({ itemIds: [] })).userErrors[0].message).toBe('itemIds must be 1 to 250: got 0')
})

it('takes ids out of JSON of any shape', () => {
  const panels = { left: { itemIds: ['a', 'b'], memberCount: 2 }, groups: [['a'], [{ itemIds: ['c', 'a'] }]] }
  expect(withoutIds(panels, new Set(['a']))).toEqual({
    left: { itemIds: ['b'], memberCount: 2 },
    groups: [[], [{ itemIds: ['c'] }]],
  })
})
