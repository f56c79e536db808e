import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createClient as createSseClient } from 'graphql-sse'
import { createClient as createWsClient } from 'graphql-ws'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { encodeId } from '../../src/resolvers/global-id.ts'
import { createProject } from '../../src/services/projects.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'

const KNOWN = 'query Viewer { viewer { displayName } }'
const LIVE = 'subscription Live($id: ID!) { jobUpdated(jobId: $id) { state } }'
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')

let folder: string
let t: TestApp
let base: string
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'trusted-'))
  writeFileSync(path.join(folder, 'documents.json'), JSON.stringify({ [hashOf(KNOWN)]: KNOWN, [hashOf(LIVE)]: LIVE }))
  t = await openTestApp({ works: false, env: { TRUSTED_DOCUMENTS: path.join(folder, 'documents.json') } })
  await new Promise<void>((resolve) => t.http.server.listen(0, '127.0.0.1', resolve))
  base = `127.0.0.1:${(t.http.server.address() as AddressInfo).port}`
})
afterAll(async () => {
  await t?.close()
  rmSync(folder, { recursive: true, force: true })
})

const send = (body: object) =>
  request(t.http.express).post('/graphql').set('authorization', `Bearer ${t.token}`).send(body)
const byHash = (text: string) => ({ persistedQuery: { version: 1, sha256Hash: hashOf(text) } })

it('a known document runs, sent by its hash or whole', async () => {
  expect((await send({ extensions: byHash(KNOWN) })).body.data.viewer.displayName).toBe('Ada')
  expect((await send({ query: KNOWN })).body.data.viewer.displayName).toBe('Ada')
})

it('any other is refused, sent whole, registered by its hash, or hidden behind a known name', async () => {
  const other = 'query Viewer { viewer { id } }'
  for (const body of [
    { query: other },
    { query: other, extensions: byHash(other) },
    { query: '{ __schema { types { name } } }' },
  ]) {
    const { status, body: answer } = await send(body)
    expect([status, answer.errors[0].extensions.code, answer.data]).toEqual([403, 'UNKNOWN_DOCUMENT', undefined])
  }
  expect((await send({ extensions: byHash(other) })).body.errors[0].extensions.code).toBe('PERSISTED_QUERY_NOT_FOUND')
})

/** A job that has ended: its stream is one event. */
async function endedJob(): Promise<string> {
  const user = await t.app.prisma.user.findFirstOrThrow({ where: { displayName: 'Ada' } })
  const viewer = { userId: user.id, requestId: 'test', roles: new Map() }
  const input = { name: 'Live', embeddingDimension: 4, idempotencyKey: key() }
  const { id: projectId } = await createProject(t.app, viewer, input)
  const id = key()
  await t.app.prisma.job.create({ data: { projectId, id, kind: 'import', state: 'SUCCEEDED' } })
  return encodeId('Job', { projectId, id })
}

const overWebSocket = () =>
  createWsClient({
    url: `ws://${base}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: { authorization: `Bearer ${t.token}` },
  })
const overEvents = () =>
  createSseClient({
    url: `http://${base}/graphql/stream`,
    retryAttempts: 0,
    headers: { authorization: `Bearer ${t.token}` },
  })

describe.each([
  ['WebSocket', overWebSocket],
  ['server-sent events', overEvents],
] as const)('over %s', (_, connect) => {
  /** All events, and the refusals by their codes, however the transport brings them. */
  async function listen(payload: {
    query?: string
    variables?: Record<string, unknown>
    extensions?: Record<string, unknown>
  }) {
    const client = connect()
    const events: unknown[] = []
    const refusals: unknown[] = []
    const note = (errors: readonly { extensions?: Record<string, unknown> }[]) =>
      refusals.push(...errors.map(({ extensions }) => extensions?.code))
    try {
      for await (const { data, errors } of client.iterate({ query: '', ...payload })) {
        if (data) events.push(data)
        note(errors ?? [])
      }
    } catch (error) {
      // What is refused before the stream opens is an answer over server-sent events, and a message over WebSocket.
      const { response } = error as { response?: Response }
      note(response ? ((await response.json()) as { errors: [] }).errors : ([error].flat() as []))
    }
    await client.dispose()
    return { events, refusals }
  }

  it('a known document runs, sent whole or by its hash', async () => {
    const variables = { id: await endedJob() }
    const once = { events: [{ jobUpdated: { state: 'SUCCEEDED' } }], refusals: [] }
    expect(await listen({ query: LIVE, variables })).toEqual(once)
    expect(await listen({ extensions: byHash(LIVE), variables })).toEqual(once)
    expect(await listen({ query: KNOWN })).toEqual({ events: [{ viewer: { displayName: 'Ada' } }], refusals: [] })
  })

  it('any other is refused, subscription, query or mutation, whole or by its hash', async () => {
    const variables = { id: await endedJob() }
    const other = LIVE.replace('state', 'state failure')
    expect(await listen({ query: other, variables })).toEqual({ events: [], refusals: ['UNKNOWN_DOCUMENT'] })
    // The hash of a known one does not open the door to another text.
    expect(await listen({ query: other, variables, extensions: byHash(LIVE) })).toEqual({
      events: [],
      refusals: ['UNKNOWN_DOCUMENT'],
    })
    expect(await listen({ query: '{ __schema { types { name } } }' })).toMatchObject({ refusals: ['UNKNOWN_DOCUMENT'] })
    expect(await listen({ query: 'mutation { cancelJob(input: { jobId: "x" }) { job { id } } }' })).toMatchObject({
      refusals: ['UNKNOWN_DOCUMENT'],
    })
    expect(await listen({ extensions: byHash(other), variables })).toEqual({
      events: [],
      refusals: ['PERSISTED_QUERY_NOT_FOUND'],
    })
  })
})

it('a file that is missing or lies about its documents stops the start, and says so', async () => {
  const missing = path.join(folder, 'missing.json')
  await expect(openTestApp({ works: false, env: { TRUSTED_DOCUMENTS: missing } })).rejects.toThrow(
    `TRUSTED_DOCUMENTS: ${missing} can not be read`,
  )
  const wrong = path.join(folder, 'wrong.json')
  writeFileSync(wrong, JSON.stringify({ abc: KNOWN }))
  await expect(openTestApp({ works: false, env: { TRUSTED_DOCUMENTS: wrong } })).rejects.toThrow(
    'must map the SHA-256 of each document',
  )
})
