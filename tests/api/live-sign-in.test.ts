import type { ExecutionArgs, ExecutionResult } from 'graphql'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { liveOperations } from '../../src/live-operations.ts'
import { decodeRoot, encodeId } from '../../src/resolvers/global-id.ts'
import { buildSchema } from '../../src/schema/index.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'

let t: TestApp
let projectId: string
let now = Date.now()
let live: ReturnType<typeof liveOperations>
beforeAll(async () => {
  t = await openTestApp({ works: false })
  const { createProject } = await t.ok(
    'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }',
    { input: { name: 'Live', embeddingDimension: 4, idempotencyKey: key() } },
  )
  projectId = createProject.project.id
  live = liveOperations(t.app, buildSchema(), { known: { find: () => undefined } }, () => now)
})
afterAll(() => t?.close())

const QUERY = 'subscription($id: ID!) { jobUpdated(jobId: $id) { phase } }'

/** A job under way, and a way to give it another phase. */
async function openJob() {
  const row = { projectId: decodeRoot('Project', projectId), id: key() }
  await t.app.prisma.job.create({ data: { ...row, kind: 'import', state: 'RUNNING', phase: 'first' } })
  const enter = (phase: string) => t.app.prisma.job.update({ where: { projectId_id: row }, data: { phase } })
  return { id: encodeId('Job', row), enter }
}

async function listen(secret: string, id: string): Promise<AsyncIterator<ExecutionResult>> {
  const caller = { authorization: `Bearer ${secret}`, address: '127.0.0.1' }
  const args = (await live.prepare(caller, { query: QUERY, variables: { id } })) as ExecutionArgs
  const events = (await live.subscribe(args)) as AsyncIterable<ExecutionResult>
  return events[Symbol.asyncIterator]()
}

it('a key that is revoked hears nothing more, ten seconds later at the latest', async () => {
  const { createApiKey } = await t.ok(
    'mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret userErrors { message } } }',
    {
      input: {
        projectId,
        label: 'listener',
        role: 'VIEWER',
        expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
      },
    },
  )
  const job = await openJob()
  const events = await listen(createApiKey.secret, job.id)
  expect((await events.next()).value).toEqual({ data: { jobUpdated: { phase: 'first' } } })
  await job.enter('second')
  now += 11_000
  expect((await events.next()).value).toEqual({ data: { jobUpdated: { phase: 'second' } } })
  await t.ok('mutation($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { userErrors { message } } }', {
    input: { apiKeyId: createApiKey.apiKey.id },
  })
  await job.enter('third')
  now += 11_000
  const { value } = await events.next()
  expect(value.data).toBeUndefined()
  expect(value.errors[0].extensions.code).toBe('UNAUTHENTICATED')
  expect(await events.next()).toEqual({ done: true, value: undefined })
})

it('live operations are counted like others', async () => {
  const outcomes = async () =>
    [
      ...(await t.app.metrics.render()).text.matchAll(
        /operations_total{type="subscription",field="jobUpdated",outcome="(\w+)"} (\d+)/g,
      ),
    ].map(([, outcome, n]) => [outcome, Number(n)])
  const before = new Map((await outcomes()) as [string, number][])
  const job = await openJob()
  await listen(t.token, job.id)
  const refused = await live.prepare(
    { authorization: 'Bearer wrong', address: '127.0.0.1' },
    { query: QUERY, variables: job },
  )
  expect(refused).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED', requestId: expect.any(String) } }])
  const after = new Map((await outcomes()) as [string, number][])
  expect(after.get('ok')).toBe((before.get('ok') ?? 0) + 1)
  expect(after.get('UNAUTHENTICATED')).toBe((before.get('UNAUTHENTICATED') ?? 0) + 1)
})

it.each([
  ['subscription {', 'GRAPHQL_PARSE_FAILED'],
  ['subscription { noSuchField }', 'GRAPHQL_VALIDATION_FAILED'],
])('%s is refused with its code and request', async (query, code) => {
  const refused = await live.prepare({ authorization: `Bearer ${t.token}`, address: '127.0.0.1' }, { query })
  expect(refused).toMatchObject([{ extensions: { code, requestId: expect.any(String) } }])
})

it('a bug behind a query over a live connection is masked', async () => {
  const broken = {
    ...t.app,
    prisma: new Proxy(
      {},
      {
        get: () => {
          throw new Error('the password is hunter2')
        },
      },
    ),
  } as never
  const caller = { authorization: `Bearer ${t.token}`, address: '127.0.0.1' }
  const args = (await live.prepare(caller, {
    query: 'query($id: ID!) { job(id: $id) { state } }',
    variables: { id: (await openJob()).id },
  })) as ExecutionArgs
  const result = await live.execute({ ...args, contextValue: { ...(args.contextValue as object), app: broken } })
  expect(JSON.stringify(result)).not.toContain('hunter2')
  expect(result.errors?.[0]).toMatchObject({ extensions: { code: 'INTERNAL', requestId: expect.any(String) } })
})
