import type { AddressInfo } from 'node:net'
import { createClient as createSseClient } from 'graphql-sse'
import { createClient as createWsClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { createRng } from '../../src/engine/rng.ts'
import { encodeRoot } from '../../src/resolvers/global-id.ts'
import { updateIdentities } from '../../src/services/identities.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { type LedgerProject, openLedgerProject } from '../support/ledger-project.ts'

let t: TestApp
let p: LedgerProject
let base: string

beforeAll(async () => {
  t = await openTestApp({ works: false })
  await new Promise<void>((resolve) => t.http.server.listen(0, '127.0.0.1', resolve))
  base = `127.0.0.1:${(t.http.server.address() as AddressInfo).port}`
}, 60_000)
afterAll(() => t?.close())

const overWebSocket = (token: string) =>
  createWsClient({
    url: `ws://${base}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: { authorization: `Bearer ${token}` },
  })

const overEvents = (token: string) =>
  createSseClient({
    url: `http://${base}/graphql/stream`,
    retryAttempts: 0,
    headers: { authorization: `Bearer ${token}` },
  })

const QUERY = `subscription($id: ID!, $after: Int!) { decisionsAppended(projectId: $id, afterRevision: $after) {
  ledgerRevision kind comment actor { displayName } identities { name } } }`

interface Seen {
  ledgerRevision: number
  kind: string
  actor: { displayName: string }
  identities: { name: string | null }[]
}

/** As many decisions as wanted, by the quickest way there is. */
async function decide(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const identityId = p.identityIds[i % p.identityIds.length] as string
    const { revision } = await t.app.prisma.identity.findUniqueOrThrow({
      where: { projectId_id: { projectId: p.projectId, id: identityId } },
    })
    const [outcome] = await updateIdentities(t.app, p.viewer, {
      projectId: p.projectId,
      updates: [{ identityId, expectedRevision: revision, name: `name ${revision}` }],
      errorPolicy: 'REJECT_EVERYTHING',
      idempotencyKey: key(),
    })
    expect(outcome?.refusal).toBeUndefined()
  }
}

const headOf = async () => (await t.app.prisma.project.findUniqueOrThrow({ where: { id: p.projectId } })).ledgerRevision

describe.each([
  ['WebSocket', overWebSocket],
  ['server-sent events', overEvents],
] as const)('the ledger over %s', (_, connect) => {
  /** Reads entries until there are `count`, then hangs up. */
  async function read(after: number, count: number): Promise<Seen[]> {
    const client = connect(t.token)
    const seen: Seen[] = []
    const variables = { id: encodeRoot('Project', p.projectId), after }
    for await (const { data, errors } of client.iterate({ query: QUERY, variables })) {
      expect(errors).toBeUndefined()
      seen.push((data as unknown as { decisionsAppended: Seen }).decisionsAppended)
      if (seen.length === count) break
    }
    client.dispose()
    return seen
  }

  it('is read without loss and without doubles by a client that is cut off again and again while people decide', async () => {
    p = await openLedgerProject(t, [2, 2, 2], 0)
    const rng = createRng(5)
    const TOTAL = 40
    await decide(3)
    // People go on deciding all the time: while the client listens, and while it is away.
    const people = decide(TOTAL - 3)
    const seen: Seen[] = []
    let cuts = 0
    while (seen.length < TOTAL) {
      const after = seen.at(-1)?.ledgerRevision ?? 0
      seen.push(...(await read(after, Math.min(TOTAL - seen.length, 1 + rng.int(9)))))
      cuts++
    }
    await people
    expect(seen.map(({ ledgerRevision }) => ledgerRevision)).toEqual(Array.from({ length: TOTAL }, (_, i) => i + 1))
    expect(new Set(seen.map(({ kind }) => kind))).toEqual(new Set(['RENAME']))
    expect(seen[0]?.actor).toEqual({ displayName: 'Ada' })
    console.log(`ledger stream: ${TOTAL} entries over ${cuts} connections, 0 lost, 0 doubled`)
  }, 60_000)

  it('shows identities as they are at each event, not as an earlier event saw them', async () => {
    p = await openLedgerProject(t, [1], 0)
    await decide(1)
    const reading = read(0, 2)
    await new Promise((resolve) => setTimeout(resolve, 600))
    await decide(1)
    const names = (await reading).map(({ identities }) => identities[0]?.name)
    expect(names).toEqual(['name 1', 'name 2'])
  }, 30_000)

  it('refuses a revision beyond the head, and strangers', async () => {
    p = await openLedgerProject(t, [1], 0)
    const messagesOf = async (token: string, after: number) => {
      const client = connect(token)
      const messages: string[] = []
      try {
        const variables = { id: encodeRoot('Project', p.projectId), after }
        for await (const { errors } of client.iterate({ query: QUERY, variables })) {
          messages.push(...(errors ?? []).map(({ message }) => message))
        }
      } catch (error) {
        messages.push(...[error].flat().map((one) => (one as Error).message))
      }
      client.dispose()
      return messages.join()
    }
    expect(await headOf()).toBe(0)
    expect(await messagesOf(t.token, 7)).toBe('afterRevision must be 0 to 0, the head: got 7')
    expect(await messagesOf(t.strangerToken, 0)).toMatch(/not found/)
  }, 30_000)
})
