import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { type SyntheticItem, syntheticItems } from '../support/synthetic.ts'

let t: TestApp
let projectId: string
let firstRunId: string
const items = syntheticItems({ classes: 20, perClass: 8, noise: 0.3, seed: 21 })
/** The last member of every class comes later, and so does all of the last class. */
const isLate = (i: number) => i % 8 === 7 || i >= 19 * 8

beforeAll(async () => {
  t = await openTestApp()
  const { createProject } = await t.ok(
    'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }',
    { input: { name: 'Grows', embeddingDimension: 16, idempotencyKey: key() } },
  )
  projectId = createProject.project.id
  await addItems(items.filter((_, i) => !isLate(i)))
  firstRunId = await run({ incremental: true, method: 'INFOMAP' })
  await publish(firstRunId)
})
afterAll(() => t?.close())

async function addItems(added: SyntheticItem[]): Promise<void> {
  const manifest = path.join(t.folder, `${key()}.jsonl`)
  writeFileSync(
    manifest,
    added.map(({ externalKey, embedding }) => JSON.stringify({ externalKey, embedding })).join('\n'),
  )
  const { startImport } = await t.ok(
    'mutation($input: StartImportInput!) { startImport(input: $input) { job { id } userErrors { message } } }',
    { input: { projectId, manifestUrl: pathToFileURL(manifest).href, idempotencyKey: key() } },
  )
  expect(await t.waitForJob(startImport.job.id)).toMatchObject({ state: 'SUCCEEDED', failedRowCount: 0 })
}

async function run(input: object): Promise<string> {
  const { startClusterRun } = await t.ok(
    'mutation($input: StartClusterRunInput!) { startClusterRun(input: $input) { clusterRun { id job { id } } userErrors { message } } }',
    { input: { projectId, idempotencyKey: key(), ...input } },
  )
  expect(startClusterRun.userErrors).toEqual([])
  expect(await t.waitForJob(startClusterRun.clusterRun.job.id)).toMatchObject({ state: 'SUCCEEDED', failure: null })
  return startClusterRun.clusterRun.id
}

async function publish(clusterRunId: string): Promise<void> {
  const { project } = await t.ok('query($id: ID!) { project(id: $id) { ledgerRevision } }', { id: projectId })
  const { publishClusterRun } = await t.ok(
    'mutation($input: PublishClusterRunInput!) { publishClusterRun(input: $input) { userErrors { message } } }',
    { input: { clusterRunId, expectedLedgerRevision: project.ledgerRevision, idempotencyKey: key() } },
  )
  expect(publishClusterRun.userErrors).toEqual([])
}

const RUN = `query($id: ID!, $against: ID!) { clusterRun(id: $id) { isIncremental method chosenMethod explanation vertexCount clusterCount
  parent { id } diff(againstRunId: $against) { unchanged splits { itemCount } merges { itemCount } movedItems { value } violatedDecisions } } }`

const look = async (id: string) => (await t.ok(RUN, { id, against: firstRunId })).clusterRun

/** Identity by external key. */
async function homes(): Promise<Map<string, string | undefined>> {
  const { project } = await t.ok(
    'query($id: ID!) { project(id: $id) { items(first: 250) { edges { node { externalKey identity { id } } } } } }',
    { id: projectId },
  )
  return new Map(
    project.items.edges.map(({ node }: { node: { externalKey: string; identity: { id: string } | null } }) => [
      node.externalKey,
      node.identity?.id,
    ]),
  )
}

describe('an incremental run', () => {
  it('computes everything while nothing is published', async () => {
    expect(await look(firstRunId)).toMatchObject({ isIncremental: false, parent: null, vertexCount: 133 })
  })

  it('without new items and decisions gives the same clusters', async () => {
    const id = await run({ incremental: true })
    expect(await look(id)).toMatchObject({
      isIncremental: true,
      method: 'INFOMAP',
      parent: { id: firstRunId },
      diff: { splits: [], merges: [], movedItems: { value: 0 }, violatedDecisions: 0 },
    })
  })

  it('places new items, keeps everybody else where they were, and honours what people have decided since', async () => {
    const before = await homes()
    const [apart, together] = ['class-3/item-0', 'class-5/item-0']
    const { project } = await t.ok(
      `query($id: ID!, $keys: [String!]) { project(id: $id) { items(filter: { externalKeys: $keys }) { edges { node { id externalKey identity { id } } } } } }`,
      { id: projectId, keys: [apart] },
    )
    const [{ node }] = project.items.edges
    const identityId = before.get(together)
    const { identity } = await t.ok('query($id: ID!) { identity(id: $id) { revision } }', { id: identityId })
    const { applyDecision } = await t.ok(
      `mutation($input: ApplyDecisionInput!) { applyDecision(input: $input) { decision { id constraintsAdded { kind } } userErrors { message } } }`,
      {
        input: {
          decision: { projectId, change: { move: { itemIds: [node.id], toIdentityId: identityId } } },
          expectedRevisions: [{ identityId, revision: identity.revision }],
          comment: 'looks like the other one',
          idempotencyKey: key(),
        },
      },
    )
    expect(applyDecision.userErrors).toEqual([])
    await addItems(items.filter((_, i) => isLate(i)))
    const id = await run({ incremental: true })
    const result = await look(id)
    expect(result).toMatchObject({
      isIncremental: true,
      vertexCount: 160,
      diff: { violatedDecisions: 0, movedItems: { value: 1 } },
    })
    expect(result.explanation).toMatch(/^27 new items: 19 joined clusters that were there, the others make 1 new/)
    await publish(id)
    const after = await homes()
    for (const [itemKey, identity] of before) {
      if (itemKey !== apart) expect([itemKey, after.get(itemKey)]).toEqual([itemKey, identity])
    }
    expect(after.get(apart)).toBe(after.get(together))
    // The late member of each class is with its class; the class that came as a whole is one new identity.
    for (const [i, { externalKey, truth }] of items.entries()) {
      if (isLate(i)) expect(after.get(externalKey)).toBe(after.get(`${truth}/item-1`))
    }
    expect([...before.values()]).not.toContain(after.get('class-19/item-0'))
  })

  it('computes everything when the method is another one, and when too much is new', async () => {
    const other = await run({ incremental: true, method: 'THRESHOLD' })
    expect(await look(other)).toMatchObject({ isIncremental: false, method: 'THRESHOLD' })
    await addItems(
      syntheticItems({ classes: 20, perClass: 8, noise: 0.3, seed: 22 }).map((item) => ({
        ...item,
        externalKey: `more/${item.externalKey}`,
      })),
    )
    const grown = await look(await run({ incremental: true }))
    expect(grown).toMatchObject({ isIncremental: false, method: 'INFOMAP', vertexCount: 320 })
    expect(grown.explanation).toMatch(/^Everything was computed: 160 of 320 items are new/)
  })
})

it('keeps boxes of one source image apart where the project says so, whatever they look like', async () => {
  const keys = ['class-7/item-0', 'class-7/item-1', 'class-7/item-2']
  const found = await t.app.prisma.item.findMany({
    where: { externalKey: { in: keys } },
    orderBy: { externalKey: 'asc' },
  })
  const clustersOf = async (clusterRunId: string) => {
    const { clusterRun } = await t.ok(
      'query($id: ID!) { clusterRun(id: $id) { clusters(first: 100) { edges { node { vertices(first: 60) { edges { node { item { externalKey } } } } } } } } }',
      { id: clusterRunId },
    )
    const members: string[][] = clusterRun.clusters.edges.map(({ node }: { node: Vertices }) =>
      node.vertices.edges.map((edge) => edge.node.item.externalKey),
    )
    return keys.map((externalKey) => members.findIndex((cluster) => cluster.includes(externalKey)))
  }
  const free = await clustersOf(await run({ incremental: false, method: 'INFOMAP' }))
  expect(new Set(free).size).toBe(1)
  await t.app.prisma.item.updateMany({
    where: { id: { in: found.map(({ id }) => id) } },
    data: { imageKey: 'a crowd', box: { x: 0, y: 0, width: 0.2, height: 0.2 } },
  })
  const { updateReviewSettings } = await t.ok(
    'mutation($input: UpdateReviewSettingsInput!) { updateReviewSettings(input: $input) { userErrors { message } } }',
    { input: { projectId, isSameImageApart: true } },
  )
  expect(updateReviewSettings.userErrors).toEqual([])
  const apart = await clustersOf(await run({ incremental: false, method: 'INFOMAP' }))
  expect(new Set(apart).size).toBe(3)
})

interface Vertices {
  vertices: { edges: { node: { item: { externalKey: string } } }[] }
}
