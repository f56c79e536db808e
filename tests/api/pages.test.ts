import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeId, encodeRoot, encodeRunNode } from '../../src/resolvers/global-id.ts'
import { newId } from '../../src/services/id.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { openQueueProject, type QueueProject } from '../support/queue-project.ts'

let t: TestApp
let p: QueueProject

/** Six clusters of three: confidences, risks and sizes are tied on purpose. */
const open = () =>
  openQueueProject(
    t,
    Array.from({ length: 6 }, (_, c) => Array.from({ length: 3 }, () => ({ truth: `${c}` }))),
    [],
  )

beforeAll(async () => {
  t = await openTestApp({ works: false })
  p = await open()
  const { projectId } = p
  const identities = await t.app.prisma.identity.findMany({ where: { projectId }, orderBy: { id: 'asc' } })
  for (const [i, row] of identities.entries()) {
    const { id, revision } = row
    const update = {
      identityId: encodeId('Identity', row),
      expectedRevision: revision,
      ...(i % 2 === 0 ? { name: 'a name' } : { state: 'CONFIRMED' }),
    }
    const { updateIdentities } = await t.ok(
      'mutation($input: UpdateIdentitiesInput!) { updateIdentities(input: $input) { userErrors { message } results { userErrors { message } } } }',
      { input: { updates: [update], idempotencyKey: key() } },
    )
    expect(updateIdentities).toEqual({ userErrors: [], results: [{ userErrors: [] }] })
    await t.app.prisma.job.create({ data: { projectId, id: newId(), kind: 'import', payload: { id } } })
  }
})
afterAll(() => t?.close())

const PAGE = 'edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage endCursor }'

interface Connection {
  edges: { cursor: string; node: { id: string } }[]
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; endCursor: string | null }
}

describe('read page by page, a connection is what it is at once', () => {
  it.each([
    ...['items', 'decisions', 'constraints', 'auditEvents', 'jobs', 'clusterRuns'].map((name) => ['Project', name, '']),
    ...['RISK_DESC', 'SIZE_DESC', 'UPDATED_DESC', 'NAME_ASC'].map((order) => ['Project', 'identities', order]),
    ...['CONFIDENCE_ASC', 'CONFIDENCE_DESC', 'IMPACT_DESC'].map((order) => ['ClusterRun', 'vertices', order]),
    ['ClusterRun', 'clusters', ''],
    ['Cluster', 'vertices', ''],
    ...['RISK_DESC', 'CONFIDENCE_DESC', 'ADDED_DESC'].map((order) => ['Identity', 'members', order]),
  ])('%s.%s %s', async (type, field, order) => {
    const { projectId, runId } = p
    const { id: identityId } = await t.app.prisma.identity.findFirstOrThrow({ where: { projectId } })
    const ids: Record<string, string> = {
      Project: encodeRoot('Project', projectId),
      ClusterRun: encodeId('ClusterRun', { projectId, id: runId }),
      Cluster: encodeRunNode('Cluster', { projectId, runId, index: 2 }),
      Identity: encodeId('Identity', { projectId, id: identityId }),
    }
    const orderBy = order ? `, orderBy: ${order}` : ''
    const query = `query($id: ID!, $first: Int!, $after: String) {
      node(id: $id) { ... on ${type} { page: ${field}(first: $first, after: $after ${orderBy}) { ${PAGE} } } } }`
    const read = async (first: number, after: string | null): Promise<Connection> =>
      (await t.ok(query, { id: ids[type as string], first, after })).node.page
    const whole = await read(250, null)
    expect(whole.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false })
    const edges: Connection['edges'] = []
    for (let after: string | null = null, hasNextPage = true; hasNextPage; ) {
      const page: Connection = await read(2, after)
      expect(page.pageInfo.hasPreviousPage).toBe(after !== null)
      expect(page.edges.length).toBeGreaterThan(after === null ? -1 : 0)
      edges.push(...page.edges)
      after = page.pageInfo.endCursor
      hasNextPage = page.pageInfo.hasNextPage
    }
    expect(edges).toEqual(whole.edges)
    if (field !== 'constraints') expect(edges.length).toBeGreaterThan(field === 'clusterRuns' ? 0 : 2)
  })
})

it('nodes of several projects show what belongs to each', async () => {
  const { prisma } = t.app
  const ids: string[] = []
  for (const { projectId, admin } of [p, await open()]) {
    const [exportId, jobId] = [newId(), newId()]
    await prisma.job.create({ data: { projectId, id: jobId, kind: 'export' } })
    await prisma.export.create({
      data: { projectId, id: exportId, format: 'JSONL', jobId, datasetVersionId: newId(), createdById: admin.userId },
    })
    await prisma.exportFile.create({
      data: { projectId, exportId, part: 0, name: 'a.jsonl', fileKey: 'sha256/aa/aa/aa', byteSize: 1, sha256: 'aa' },
    })
    const task = await prisma.reviewTask.findFirstOrThrow({ where: { projectId } })
    await prisma.reviewAnswer.create({
      data: {
        projectId,
        id: newId(),
        taskId: task.id,
        actorId: admin.userId,
        verdict: 'SAME',
        contradictsModel: false,
        durationMs: 1,
      },
    })
    ids.push(encodeId('Export', { projectId, id: exportId }), encodeId('ReviewTask', task))
  }
  const { nodes } = await t.ok(
    'query($ids: [ID!]!) { nodes(ids: $ids) { ... on Export { files { name } } ... on ReviewTask { answers { verdict } } } }',
    { ids },
  )
  const [files, answers] = [{ files: [{ name: 'a.jsonl' }] }, { answers: [{ verdict: 'SAME' }] }]
  expect(nodes).toEqual([files, answers, files, answers])
})
