import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient as createSseClient } from 'graphql-sse'
import { createClient as createWsClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { syntheticItems } from '../support/live-items.ts'

let t: TestApp
let base: string
let projectId: string
beforeAll(async () => {
  t = await openTestApp()
  await new Promise<void>((resolve) => t.http.server.listen(0, '127.0.0.1', resolve))
  base = `127.0.0.1:${(t.http.server.address() as AddressInfo).port}`
  const { createProject } = await t.ok(
    'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } userErrors { message } } }',
    { input: { name: 'Live', embeddingDimension: 8, idempotencyKey: key() } },
  )
  projectId = createProject.project.id
}, 60_000)
afterAll(() => t.close())

const QUERY = 'subscription($id: ID!) { jobUpdated(jobId: $id) { id state phase } }'

/** Starts a job that takes a moment. */
async function startJob(): Promise<string> {
  const manifest = path.join(t.folder, `${key()}.jsonl`)
  writeFileSync(manifest, syntheticItems(300, 8))
  const { startImport } = await t.ok(
    'mutation($input: StartImportInput!) { startImport(input: $input) { job { id } userErrors { message } } }',
    { input: { projectId, manifestUrl: pathToFileURL(manifest).href, onExisting: 'SKIP', idempotencyKey: key() } },
  )
  expect(startImport.userErrors).toEqual([])
  return startImport.job.id
}

const overWebSocket = (token?: string) =>
  createWsClient({
    url: `ws://${base}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    ...(token && { connectionParams: { authorization: `Bearer ${token}` } }),
  })

const overEvents = (token?: string) =>
  createSseClient({
    url: `http://${base}/graphql/stream`,
    retryAttempts: 0,
    ...(token && { headers: { authorization: `Bearer ${token}` } }),
  })

describe.each([
  ['WebSocket', overWebSocket],
  ['server-sent events', overEvents],
] as const)('live updates over %s', (_, connect) => {
  it('follow a job to its end, and then end themselves', async () => {
    const client = connect(t.token)
    const id = await startJob()
    const states: string[] = []
    for await (const { data, errors } of client.iterate({ query: QUERY, variables: { id } })) {
      expect(errors).toBeUndefined()
      states.push((data as { jobUpdated: { state: string } }).jobUpdated.state)
    }
    expect(states.at(-1)).toBe('SUCCEEDED')
    client.dispose()
  }, 30_000)

  it('are closed without a key, with a wrong one, and to strangers', async () => {
    const id = await startJob()
    for (const token of [undefined, 'trib_wrong']) {
      const client = connect(token)
      const all = async () => {
        for await (const _ of client.iterate({ query: QUERY, variables: { id } })) expect.unreachable('nothing is open')
      }
      await expect(all()).rejects.toBeDefined()
      client.dispose()
    }
    const stranger = connect(t.strangerToken)
    const messages: string[] = []
    try {
      for await (const { data, errors } of stranger.iterate({ query: QUERY, variables: { id } })) {
        expect(data?.jobUpdated ?? null).toBeNull()
        messages.push(...(errors ?? []).map(({ message }) => message))
      }
    } catch (error) {
      messages.push(...[error].flat().map((one) => (one as Error).message))
    }
    expect(messages.join()).toMatch(/not found/)
    stranger.dispose()
  }, 30_000)

  it('refuse a query that is too deep', async () => {
    const client = connect(t.token)
    const depth = 20
    const query = `subscription($id: ID!) { jobUpdated(jobId: $id) { ${'project { publishedRun { job { '.repeat(depth)} id ${'} } }'.repeat(depth)} } }`
    const problems: string[] = []
    try {
      for await (const { errors } of client.iterate({ query, variables: { id: await startJob() } })) {
        problems.push(...(errors ?? []).map(({ message }) => message))
      }
    } catch (error) {
      problems.push(...[error].flat().map((one) => (one as Error).message))
    }
    expect(problems.length).toBeGreaterThan(0)
    client.dispose()
  }, 30_000)
})
