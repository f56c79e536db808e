import { afterAll, beforeAll, expect, it } from 'vitest'
import { decodeRoot } from '../../src/resolvers/global-id.ts'
import { newId } from '../../src/services/id.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'

let t: TestApp
let projectId: string
beforeAll(async () => {
  t = await openTestApp({ works: false })
  const { createProject } = await t.ok(
    'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }',
    { input: { name: 'Jobs', embeddingDimension: 4, idempotencyKey: key() } },
  )
  projectId = createProject.project.id
  const states = ['SUCCEEDED', 'FAILED', 'RUNNING', 'QUEUED', 'FAILED'] as const
  for (const [i, state] of states.entries()) {
    const isDone = state === 'SUCCEEDED' || state === 'FAILED'
    await t.app.prisma.job.create({
      data: {
        projectId: decodeRoot('Project', projectId),
        id: newId(),
        kind: i === 4 ? 'export' : 'import',
        state,
        ...(isDone && { finishedAt: new Date() }),
      },
    })
  }
})
afterAll(() => t?.close())

const JOBS = `query($id: ID!, $first: Int! = 20, $after: String, $states: [JobState!], $kind: String) {
  project(id: $id) { jobs(first: $first, after: $after, states: $states, kind: $kind) {
    edges { node { id kind state createdAt finishedAt } } pageInfo { hasNextPage endCursor } } } }`
const jobs = async (variables: object = {}, token?: string) =>
  (await t.ok(JOBS, { id: projectId, ...variables }, token)).project.jobs
const kindsOf = ({ edges }: { edges: { node: { kind: string; state: string } }[] }) =>
  edges.map(({ node }) => `${node.kind} ${node.state}`)

it('lists jobs, newest first, page after page, of some states or a kind', async () => {
  expect(kindsOf(await jobs())).toEqual([
    'export FAILED',
    'import QUEUED',
    'import RUNNING',
    'import FAILED',
    'import SUCCEEDED',
  ])
  const first = await jobs({ first: 3 })
  expect(first.pageInfo.hasNextPage).toBe(true)
  const second = await jobs({ first: 3, after: first.pageInfo.endCursor })
  expect(kindsOf(second)).toEqual(['import FAILED', 'import SUCCEEDED'])
  expect(second.pageInfo.hasNextPage).toBe(false)
  expect(kindsOf(await jobs({ states: ['QUEUED', 'RUNNING'] }))).toEqual(['import QUEUED', 'import RUNNING'])
  expect(kindsOf(await jobs({ states: ['FAILED'], kind: 'import' }))).toEqual(['import FAILED'])
  expect(kindsOf(await jobs({ states: [] }))).toEqual([])
})

it('says when each was asked for and settled', async () => {
  for (const { node } of (await jobs()).edges) {
    expect(Date.parse(node.createdAt)).toBeGreaterThan(Date.now() - 120_000)
    expect(node.finishedAt === null).toBe(['QUEUED', 'RUNNING'].includes(node.state))
  }
})

it('shows a stranger nothing', async () => {
  const { data, errors } = await t.gql(JOBS, { id: projectId }, t.strangerToken)
  expect(data?.project ?? null).toBeNull()
  expect(errors?.[0]?.extensions.code).toBe('NOT_FOUND')
})
