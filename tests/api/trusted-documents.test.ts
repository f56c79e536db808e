import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import request from 'supertest'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openTestApp, type TestApp } from '../support/app.ts'

const KNOWN = 'query Viewer { viewer { displayName } }'
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')

let folder: string
let t: TestApp
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'trusted-'))
  writeFileSync(path.join(folder, 'documents.json'), JSON.stringify({ [hashOf(KNOWN)]: KNOWN }))
  t = await openTestApp({ works: false, env: { TRUSTED_DOCUMENTS: path.join(folder, 'documents.json') } })
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
