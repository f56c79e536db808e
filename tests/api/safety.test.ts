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
    const { project } = await t.ok('query($id: ID!) { project(id: $id) { apiKeys { id revokedAt } } }', {
      id: projectId,
    })
    expect(project.apiKeys).toEqual([{ id: apiKey.id, revokedAt: expect.any(String) }])
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
    const tooDeep = await t.gql(deep, { id: projectId })
    expect([tooDeep.status, tooDeep.errors?.[0].extensions.code]).toEqual([400, 'DEPTH_LIMIT'])
    const large =
      'query($id: ID!) { project(id: $id) { identities(first: 250) { edges { node { members(first: 250) { edges { node { id } } } } } } } }'
    const { status, errors } = await t.gql(large, { id: projectId })
    expect(status).toBe(400)
    expect(errors?.[0].extensions).toEqual({
      code: 'COST_LIMIT',
      maxCost: expect.any(Number),
      requestId: expect.any(String),
    })
  })

  it('refuses operations whose cost hides behind negative sizes, default values or fragments that double', async () => {
    const codeOf = async (query: string) => (await t.gql(query, { id: projectId })).errors?.[0].extensions.code
    const identities = (first: string) =>
      `identities(first: ${first}) { edges { node { members(first: ${first}) { edges { node { id } } } } } }`
    const negative = 'less: project(id: $id) { items(first: -1000000) { edges { node { id } } } }'
    expect(await codeOf(`query($id: ID!) { ${negative} project(id: $id) { ${identities('250')} } }`)).toBe('COST_LIMIT')
    expect(await codeOf(`query($id: ID!, $n: Int! = 250) { project(id: $id) { ${identities('$n')} } }`)).toBe(
      'COST_LIMIT',
    )
    const fragments = Array.from({ length: 40 }, (_, i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)
    expect(await codeOf(`{ ...F0 } ${fragments.join(' ')} fragment F40 on Query { viewer { id } }`)).toBe('COST_LIMIT')
    expect(await codeOf(`{ ${'projects(first: 1) { edges { cursor } } '.repeat(800)} }`)).toBe('GRAPHQL_PARSE_FAILED')
  })

  it.each([
    ['NUL', 'a\0b'],
    ['half a character', 'a\ud800b'],
  ])('refuses texts with %s, which the database can not keep, wherever they stand', async (_what, text) => {
    const message = 'texts must have neither the character NUL nor half a character: got one in variable $input'
    const { status, errors } = await t.gql(CREATE, {
      input: { name: text, embeddingDimension: 4, idempotencyKey: key() },
    })
    expect(status).toBe(400)
    expect(errors?.[0]).toMatchObject({ message, extensions: { code: 'BAD_USER_INPUT' } })
  })

  it('refuses NUL in a document too', async () => {
    const { errors } = await t.gql(
      'query($id: ID!) { project(id: $id) { items(filter: { externalKeys: ["\\u0000"] }) { edges { cursor } } } }',
      { id: projectId },
    )
    expect(errors?.[0].message).toMatch(/got one in the document$/)
  })

  it.each([
    'items',
    'identities',
    'identities(orderBy: NAME_ASC)',
    'decisions',
    'constraints',
    'auditEvents',
    'jobs',
    'clusterRuns',
    'modelVersions',
    'trainingRuns',
    'datasetVersions',
  ])('refuses cursors of %s that it has not made', async (field) => {
    const [name, order = ''] = field.split(/[()]/)
    for (const keyset of [[], ['x'], [{}], [null, null], [1e300, 'x'], ['\0', '\0'], [true, 7]]) {
      const after = Buffer.from(JSON.stringify(keyset)).toString('base64url')
      const query = `query($id: ID!, $after: String) { project(id: $id) { ${name}(after: $after ${order}) { edges { cursor } } } }`
      const { errors } = await t.gql(query, { id: projectId, after })
      expect(errors?.[0]).toMatchObject({
        message: expect.stringMatching(/^after must be a cursor that this connection returned/),
        extensions: { code: 'INVALID' },
      })
    }
  })

  it('counts no further than it may, and no less than one', async () => {
    for (const cap of [-5, 0, 100_001]) {
      for (const field of ['items', 'identities']) {
        const { errors } = await t.gql(
          `query($id: ID!, $cap: Int!) { project(id: $id) { ${field} { totalCount(cap: $cap) { value } } } }`,
          { id: projectId, cap },
        )
        expect(errors?.[0].message).toBe(`cap must be 1 to 100000: got ${cap}`)
      }
    }
    const { project } = await t.ok(
      'query($id: ID!) { project(id: $id) { items(filter: { maxConfidence: 1e300 }) { totalCount(cap: 100000) { value } } } }',
      { id: projectId },
    )
    expect(project.items.totalCount.value).toBe(0)
  })

  it('says of ids what they should name, and what they do', async () => {
    const { errors } = await t.gql('query($id: ID!) { identity(id: $id) { id } }', { id: projectId })
    expect(errors?.[0].message).toBe('id must be the id of an Identity: got a Project')
    const empty = await t.ok(
      `mutation {
        renewReviewLeases(input: { taskIds: [] }) { userErrors { message path } }
        submitReviewAnswers(input: { answers: [], idempotencyKey: "no-answers" }) { userErrors { message path } }
        updateIdentities(input: { updates: [], idempotencyKey: "no-updates" }) { userErrors { message path } }
      }`,
    )
    expect(empty).toEqual({
      renewReviewLeases: { userErrors: [{ message: 'taskIds must be 1 to 25: got 0', path: ['input', 'taskIds'] }] },
      submitReviewAnswers: { userErrors: [{ message: 'answers must be 1 to 25: got 0', path: ['input', 'answers'] }] },
      updateIdentities: {
        userErrors: [{ message: 'updates must have 1 to 250 rows: got 0', path: ['input', 'updates'] }],
      },
    })
  })

  it('every refusal names its request, those before GraphQL too', async () => {
    const headers = { 'x-request-id': 'request-0001', 'content-type': 'application/json' }
    const ask = (body: string, more: object = {}) =>
      request(t.http.express)
        .post('/graphql')
        .set({ ...headers, ...more })
        .send(body)
    const signedIn = { authorization: `Bearer ${t.token}` }
    for (const answer of [
      await ask('{"query":"{ viewer { id } }"}'),
      await ask('{ not json', signedIn),
      await ask(JSON.stringify({ query: `{ viewer { id } } #${'x'.repeat(1_100_000)}` }), signedIn),
      await ask('{"query":"{ viewer { "}', signedIn),
    ]) {
      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.headers['x-request-id']).toBe('request-0001')
      expect(answer.body.errors[0].extensions.requestId).toBe('request-0001')
    }
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

  it.each([
    [[1, 2], 'vector must have 4 values: got 2'],
    [[0, 0, 0, 0], 'vector must not be all zero: it has no direction'],
    [[1, 1e39, 0, 0], 'vector must be finite: got Infinity at position 1'],
    [[3e38, 0, 0, 0], expect.stringMatching(/^vector must have a length of 1e-15 to 1000000000000000: got 3/)],
  ])('refuses similarity search by the vector %j', async (vector, message) => {
    const { errors } = await t.gql(
      'query($input: SimilaritySearchInput!, $p: ID) { similaritySearch(input: $input, projectId: $p) { similarity } }',
      { input: { vector }, p: projectId },
    )
    expect(errors?.[0].message).toEqual(message)
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
