import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { encodeId, encodeRoot } from '../../src/resolvers/global-id.ts'
import { newId } from '../../src/services/id.ts'
import { openTestApp, type TestApp } from '../support/app.ts'
import { type LedgerProject, openLedgerProject } from '../support/ledger-project.ts'
import { openQueueProject } from '../support/queue-project.ts'

let t: TestApp
let p: LedgerProject
const statements: string[] = []
const original = pg.Client.prototype.query

beforeAll(async () => {
  t = await openTestApp({ works: false })
  p = await openLedgerProject(t, [6, 5, 4], 2)
  // biome-ignore lint/suspicious/noExplicitAny: every overload of query is counted alike
  pg.Client.prototype.query = function counted(this: pg.Client, ...args: any[]) {
    const text = typeof args[0] === 'string' ? args[0] : args[0]?.text
    if (text && !/^(BEGIN|COMMIT|ROLLBACK|SET)/i.test(text) && !text.includes('pgboss')) statements.push(text)
    // biome-ignore lint/suspicious/noExplicitAny: see above
    return (original as any).apply(this, args)
  } as never
})
afterAll(async () => {
  pg.Client.prototype.query = original
  await t?.close()
})

/** Statements of one GraphQL operation. */
async function count(query: string): Promise<number> {
  await t.ok('{ viewer { id } }')
  statements.length = 0
  await t.ok(query, {
    id: encodeRoot('Project', p.projectId),
    identity: encodeId('Identity', { projectId: p.projectId, id: p.identityIds[0] as string }),
  })
  return statements.length
}

it.each([
  [
    'home',
    'query($id: ID!) { project(id: $id) { name ledgerRevision publishedRun { state } activeModel { number } queueSummary { kind state } memberships { role user { displayName } } } }',
  ],
  [
    'identity page',
    `query($identity: ID!) { identity(id: $identity) { name state revision risk purity { value } cover { thumbnailUrl }
      members(first: 60) { edges { source node { externalKey thumbnailUrl identity { id } } vertex { confidence } } }
      mergeCandidates { probability identity { name } } history { edges { node { kind actor { displayName } identities { id } constraintsAdded { kind } } } } } }`,
  ],
  [
    'list of identities, each with members',
    'query($id: ID!) { project(id: $id) { identities { totalCount { value } edges { node { name memberCount cover { thumbnailUrl } purity { value } } } } } }',
  ],
  [
    'items with their identity',
    'query($id: ID!) { project(id: $id) { items { totalCount { value } edges { node { externalKey thumbnailUrl identity { name } } } } } }',
  ],
])('%s takes at most 12 statements, however many rows it shows', async (_name, query) => {
  expect(await count(query)).toBeLessThanOrEqual(12)
})

it('a preview and a decision take at most 12 statements each', async () => {
  const [into, from] = p.identityIds.map((id) => encodeId('Identity', { projectId: p.projectId, id })) as [
    string,
    string,
  ]
  const decision = {
    projectId: encodeRoot('Project', p.projectId),
    change: { merge: { intoIdentityId: into, fromIdentityIds: [from] } },
  }
  statements.length = 0
  const { previewDecision } = await t.ok(
    'query($decision: DecisionInput!) { previewDecision(input: $decision) { previewToken itemCount } }',
    { decision },
  )
  expect(statements.length).toBeLessThanOrEqual(12)
  statements.length = 0
  const { applyDecision } = await t.ok(
    'mutation($input: ApplyDecisionInput!) { applyDecision(input: $input) { decision { id ledgerRevision itemCount } userErrors { message } } }',
    {
      input: {
        decision,
        expectedRevisions: [],
        previewToken: previewDecision.previewToken,
        idempotencyKey: 'merge-one',
      },
    },
  )
  expect(applyDecision).toMatchObject({ decision: { itemCount: previewDecision.itemCount }, userErrors: [] })
  expect(statements.length).toBeLessThanOrEqual(12)
})

it('publishing a run takes at most 12 statements, sign-in included, and queues its questions', async () => {
  const { prisma } = t.app
  const ledger = await openLedgerProject(t, [3, 2], 4)
  const { projectId, itemIds } = ledger
  const runId = newId()
  const space = await prisma.project.findUniqueOrThrow({ where: { id: projectId } })
  const common = { projectId, runId }
  await prisma.clusterRun.create({
    data: {
      projectId,
      id: runId,
      jobId: newId(),
      method: 'GCN_VE',
      spaceId: space.activeSpaceId,
      createdById: ledger.viewer.userId,
      state: 'READY',
    },
  })
  // Two clusters that exist as identities, one that does not yet, and one item alone.
  const clusters = [0, 0, 0, 1, 1, 2, 2, 2, 3]
  await prisma.cluster.createMany({
    data: [3, 2, 3, 1].map((size, index) => ({ ...common, index, size, rootIndex: clusters.indexOf(index), risk: 0 })),
  })
  await prisma.vertex.createMany({
    data: itemIds.map((itemId, index) => ({
      ...common,
      index,
      itemId,
      clusterIndex: clusters[index] as number,
      confidence: 1 / (index + 1),
      subtreeSize: 1,
      impact: index,
    })),
  })
  await t.ok('{ viewer { id } }')
  statements.length = 0
  const { publishClusterRun } = await t.ok(
    'mutation($input: PublishClusterRunInput!) { publishClusterRun(input: $input) { clusterRun { state } userErrors { message } } }',
    {
      input: {
        clusterRunId: encodeId('ClusterRun', { projectId, id: runId }),
        expectedLedgerRevision: 0,
        idempotencyKey: 'publish-once',
      },
    },
  )
  expect(statements.length).toBeLessThanOrEqual(12)
  expect(publishClusterRun).toEqual({ clusterRun: { state: 'PUBLISHED' }, userErrors: [] })
  const [made] = await prisma.identity.findMany({ where: { projectId, id: { notIn: ledger.identityIds } } })
  expect(made).toMatchObject({ memberCount: 3, risk: 5 + 6 + 7, coverItemId: itemIds[5], state: 'PROPOSED' })
  // Who stays where they were has the confidence and the risk of the new vertex.
  expect(await prisma.identityMember.findMany({ where: { projectId, itemId: itemIds[1] as string } })).toMatchObject([
    { identityId: ledger.identityIds[0], confidence: 0.5, risk: 1 },
  ])
  expect(await prisma.job.count({ where: { projectId, kind: 'review_queue', state: 'QUEUED' } })).toBe(1)
  expect(await prisma.auditEvent.count({ where: { projectId, action: 'run.published', targetId: runId } })).toBe(1)
})

it('claiming takes at most 12 statements, and so does a batch of answers with the next claim, whatever its size', async () => {
  const q = await openQueueProject(
    t,
    Array.from({ length: 60 }, (_, c) => Array.from({ length: 3 }, () => ({ truth: `${c >> 1}`, probability: 0.7 }))),
    Array.from({ length: 59 }, (_, c) => ({ left: [c, 0], right: [c + 1, 1], probability: c % 2 ? 0.2 : 0.85 })),
    { settings: { auditShare: 0.08, goldShare: 0.04 } },
  )
  const projectId = encodeRoot('Project', q.projectId)
  const TASK = `id revision kind state priority leaseExpiresAt edge { probability similarity }
    panels { memberCount identity { id name } items { id externalKey thumbnailUrl } }`
  await t.ok('{ viewer { id } }')
  statements.length = 0
  const { claimReviewTasks } = await t.ok(
    `mutation($input: ClaimReviewTasksInput!) { claimReviewTasks(input: $input) { tasks { ${TASK} } userErrors { message } } }`,
    { input: { projectId, count: 20, kinds: ['EDGE', 'MERGE'], idempotencyKey: 'claim-twenty' } },
  )
  expect(claimReviewTasks.tasks).toHaveLength(20)
  expect(statements.length).toBeLessThanOrEqual(12)
  for (const size of [2, 10]) {
    const tasks = claimReviewTasks.tasks.splice(0, size)
    const truth = await t.app.prisma.reviewTask.findMany({ where: { projectId: q.projectId, state: 'LEASED' } })
    const answers = tasks.map(({ id, revision }: { id: string; revision: number }) => {
      const row = truth.find((task) => encodeId('ReviewTask', task) === id)
      const isSame = q.truthOf.get(row?.leftItemId as string) === q.truthOf.get(row?.rightItemId as string)
      return { taskId: id, expectedRevision: revision, verdict: isSame ? 'SAME' : 'DIFFERENT', durationMs: 700 }
    })
    statements.length = 0
    const { submitReviewAnswers } = await t.ok(
      `mutation($input: SubmitReviewAnswersInput!) { submitReviewAnswers(input: $input) { userErrors { message }
        results { task { id state } decision { id kind } userErrors { message code } } nextTasks { ${TASK} } } }`,
      { input: { answers, claimNext: 10, idempotencyKey: `submit-${size}-answers` } },
    )
    expect(
      submitReviewAnswers.results.filter(({ decision }: { decision: object | null }) => decision).length,
    ).toBeGreaterThan(1)
    expect(submitReviewAnswers.nextTasks.length).toBeGreaterThan(0)
    expect({ size, statements: statements.length }).toEqual({ size, statements: Math.min(12, statements.length) })
  }
})
