import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { key, openTestApp, type TestApp } from '../support/app.ts'

let t: TestApp
let projectId: string

const CREATE =
  'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } userErrors { code message path } } }'

beforeAll(async () => {
  t = await openTestApp({ works: false })
  const { createProject } = await t.ok(CREATE, { input: { name: 'Own', embeddingDimension: 4, idempotencyKey: key() } })
  projectId = createProject.project.id
})
afterAll(() => t?.close())

const post = (body: unknown, headers: Record<string, string> = {}) =>
  request(t.http.express)
    .post('/graphql')
    .set({ 'content-type': 'application/json', ...headers })
    .send(body as object)

describe('who may ask', () => {
  it('nothing is open without a key except health', async () => {
    const answer = await post({ query: '{ viewer { id } }' })
    expect(answer.status).toBe(401)
    expect(answer.body.errors[0].extensions.code).toBe('UNAUTHENTICATED')
    expect((await request(t.http.express).get('/healthz')).body).toEqual({ status: 'ok' })
    const ready = await request(t.http.express).get('/readyz')
    expect(ready.body).toMatchObject({
      status: 'ok',
      engine: { backend: expect.any(String), passedOver: expect.any(Array) },
    })
  })

  it.each(['Bearer nonsense', 'Bearer trp.AAAA.BBBB', 'Basic abc'])('refuses %s', async (authorization) => {
    expect((await post({ query: '{ viewer { id } }' }, { authorization })).status).toBe(401)
  })

  it('what a stranger may not see is not found, by every way of asking', async () => {
    const { data } = await t.gql('query($id: ID!) { node(id: $id) { id } }', { id: projectId }, t.strangerToken)
    expect(data.node).toBeNull()
    const { errors } = await t.gql('query($id: ID!) { project(id: $id) { name } }', { id: projectId }, t.strangerToken)
    expect(errors?.[0].extensions.code).toBe('NOT_FOUND')
    const { startClusterRun } = await t.ok(
      'mutation($input: StartClusterRunInput!) { startClusterRun(input: $input) { userErrors { code } } }',
      { input: { projectId, idempotencyKey: key() } },
      t.strangerToken,
    )
    expect(startClusterRun.userErrors).toEqual([{ code: 'NOT_FOUND' }])
  })

  it('a key acts in its project with at most its role, and not after it is revoked', async () => {
    const { createApiKey } = await t.ok(
      'mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id prefix role } userErrors { message } } }',
      {
        input: {
          projectId,
          label: 'viewer',
          role: 'VIEWER',
          expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
        },
      },
    )
    const { secret, apiKey } = createApiKey
    expect(secret).toContain(apiKey.prefix)
    expect((await t.ok('query($id: ID!) { project(id: $id) { name } }', { id: projectId }, secret)).project.name).toBe(
      'Own',
    )
    const { startClusterRun } = await t.ok(
      'mutation($input: StartClusterRunInput!) { startClusterRun(input: $input) { userErrors { code message } } }',
      { input: { projectId, idempotencyKey: key() } },
      secret,
    )
    expect(startClusterRun.userErrors[0]).toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('ENGINEER'),
    })
    const { createProject } = await t.ok(
      CREATE,
      { input: { name: 'x', embeddingDimension: 4, idempotencyKey: key() } },
      secret,
    )
    expect(createProject.userErrors[0].code).toBe('FORBIDDEN')
    await t.ok('mutation($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { apiKey { id } } }', {
      input: { apiKeyId: apiKey.id },
    })
    expect((await t.gql('{ viewer { id } }', {}, secret)).status).toBe(401)
  })

  it('keeps the last admin', async () => {
    const { viewer } = await t.ok('{ viewer { id } }')
    const { setMembership } = await t.ok(
      'mutation($input: SetMembershipInput!) { setMembership(input: $input) { membership { role } userErrors { code } } }',
      { input: { projectId, userId: viewer.id, role: null } },
    )
    expect(setMembership).toEqual({ membership: null, userErrors: [{ code: 'INVALID_STATE' }] })
  })
})

describe('bad input', () => {
  it('answers a broken body in JSON', async () => {
    const answer = await request(t.http.express)
      .post('/graphql')
      .set({ authorization: `Bearer ${t.token}`, 'content-type': 'application/json' })
      .send('{ not json')
    expect(answer.status).toBe(400)
    expect(answer.body.errors[0].extensions.code).toBe('BAD_REQUEST')
  })

  it('refuses a body above a megabyte and says what to do', async () => {
    const answer = await post(
      { query: `{ viewer { id } } #${'x'.repeat(1_100_000)}` },
      { authorization: `Bearer ${t.token}` },
    )
    expect(answer.status).toBe(413)
    expect(answer.body.errors[0].message).toContain('import')
  })

  it('refuses operations that are too deep or too large before they run', async () => {
    const deep = `query($id: ID!) { node(id: $id) { ... on Item { ${'similar(first: 1) { item { '.repeat(6)} id ${'} } '.repeat(6)} } } }`
    expect((await t.gql(deep, { id: projectId })).errors?.[0].extensions.code).toBe('DEPTH_LIMIT')
    const large =
      'query($id: ID!) { project(id: $id) { identities(first: 250) { edges { node { members(first: 250) { edges { node { id } } } } } } } }'
    const { errors } = await t.gql(large, { id: projectId })
    expect(errors?.[0].extensions.code).toBe('COST_LIMIT')
  })

  it('says what, got and expected', async () => {
    const { createProject } = await t.ok(CREATE, { input: { name: ' ', embeddingDimension: 4, idempotencyKey: key() } })
    expect(createProject.userErrors[0]).toEqual({
      code: 'INVALID',
      message: 'name must have 1 to 200 characters: got 0',
      path: ['input', 'name'],
    })
    const { errors } = await t.gql('query($id: ID!) { project(id: $id) { items(first: 251) { edges { cursor } } } }', {
      id: projectId,
    })
    expect(errors?.[0].message).toBe('first must be 1 to 250: got 251')
  })

  it('refuses manifests it may not read, without telling what is there', async () => {
    const start = (manifestUrl: string) =>
      t.ok('mutation($input: StartImportInput!) { startImport(input: $input) { userErrors { code message } } }', {
        input: { projectId, manifestUrl, idempotencyKey: key() },
      })
    const there = (await start('file:///etc/passwd')).startImport.userErrors[0]
    const missing = (await start('file:///etc/no-such-file')).startImport.userErrors[0]
    expect(there.code).toBe('INVALID')
    expect(there.message.replace('passwd', '')).toBe(missing.message.replace('no-such-file', ''))
    expect((await start('https://example.org/x.jsonl')).startImport.userErrors[0].code).toBe('INVALID')
  })

  it('refuses similarity search by a vector of the wrong dimension', async () => {
    const { errors } = await t.gql(
      'query($input: SimilaritySearchInput!, $p: ID) { similaritySearch(input: $input, projectId: $p) { similarity } }',
      { input: { vector: [1, 2] }, p: projectId },
    )
    expect(errors?.[0].message).toBe('vector must have 4 values: got 2')
  })

  it('masks unexpected errors behind an incident id', async () => {
    const broken = await openTestApp({ works: false })
    const ask = async () => (await broken.gql('{ projects { edges { node { id } } } }')).errors
    const masked = /^something went wrong on our side: quote incident [0-9a-f-]{36}/
    await broken.app.prisma.$executeRawUnsafe('ALTER TABLE "Project" RENAME TO "Gone"')
    const errors = await ask()
    expect(errors?.[0].message).toMatch(masked)
    expect(errors?.[0].extensions).toMatchObject({ code: 'INTERNAL', requestId: expect.any(String) })
    expect(JSON.stringify(errors)).not.toContain('Project')
    // Signing in fails before there is a request to speak of.
    await broken.app.prisma.$executeRawUnsafe('ALTER TABLE "Membership" RENAME TO "Missing"')
    const atSignIn = await ask()
    expect(atSignIn?.[0].message).toMatch(masked)
    expect(JSON.stringify(atSignIn)).not.toContain('Membership')
    await broken.close()
  })
})

describe('addresses of files', () => {
  it('refuses forged, expired and wandering ones', async () => {
    const get = (url: string) => request(t.http.express).get(url)
    expect((await get('/media/image/sha256/aa/bb/cc')).status).toBe(403)
    expect((await get('/media/image/../../etc/passwd?e=9999999999&s=x')).status).toBeGreaterThanOrEqual(400)
    const signed = t.app.tokens.signPath('/media/image/sha256/aa/bb/cc', 60)
    expect((await get(signed)).status).toBe(404)
    expect((await get(signed.replace('cc?', 'cd?'))).status).toBe(403)
    expect((await get(t.app.tokens.signPath('/media/image/sha256/aa/bb/cc', -1000))).status).toBe(410)
  })
})
