import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import request from 'supertest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFirstUser } from '../../src/services/users.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { openReceiver } from '../support/receiver.ts'

const AUDIENCE = 'tributary'
const ADMIN_TOKEN = 'an administrator of a container'.padEnd(40, '.').replaceAll(' ', '-')

let t: TestApp
let issuer: Awaited<ReturnType<typeof openReceiver>>
let keys: Awaited<ReturnType<typeof generateKeyPair>>
let projectId: string

beforeAll(async () => {
  keys = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }
  issuer = await openReceiver(({ url }) =>
    url === '/.well-known/openid-configuration'
      ? { status: 200, body: { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` } }
      : { status: 200, body: { keys: [jwk] } },
  )
  t = await openTestApp({
    works: false,
    env: { OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE, ADMIN_TOKEN, METRICS_TOKEN: 'a-token-for-the-scraper' },
  })
  const { createProject } = await t.ok(
    'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }',
    { input: { name: 'People', embeddingDimension: 4, idempotencyKey: key() } },
  )
  projectId = createProject.project.id
})
afterAll(async () => {
  await t?.close()
  await issuer?.close()
})

const VIEWER = '{ viewer { id displayName } }'

interface Claims {
  sub?: string
  iss?: string
  aud?: string
  name?: string
  expiresIn?: string
}

function sign(
  { sub = 'u-1', iss = issuer.url, aud = AUDIENCE, name = 'Grace', expiresIn = '5m' }: Claims = {},
  as = keys.privateKey,
) {
  return new SignJWT({ name })
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setIssuer(iss)
    .setAudience(aud)
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(expiresIn)
    .sign(as)
}

describe('bearer tokens of an OpenID Connect issuer', () => {
  it('make their user at first sight, and are the same person ever after', async () => {
    const { viewer } = await t.ok(VIEWER, {}, await sign())
    expect(viewer.displayName).toBe('Grace')
    expect((await t.ok(VIEWER, {}, await sign({ name: 'Grace Hopper' }))).viewer).toEqual({
      id: viewer.id,
      displayName: 'Grace Hopper',
    })
    expect((await t.ok(VIEWER, {}, await sign({ sub: 'u-2' }))).viewer.id).not.toBe(viewer.id)
    const user = await t.app.prisma.user.findFirstOrThrow({ where: { displayName: 'Grace Hopper' } })
    expect(user.externalSubject).toBe(`${issuer.url}|u-1`)
  })

  it('act wherever they are a member', async () => {
    const token = await sign({ sub: 'u-3' })
    const { viewer } = await t.ok(VIEWER, {}, token)
    const ask = () => t.gql('query($id: ID!) { project(id: $id) { name } }', { id: projectId }, token)
    expect((await ask()).errors?.[0].extensions.code).toBe('NOT_FOUND')
    await t.ok('mutation($input: SetMembershipInput!) { setMembership(input: $input) { userErrors { code } } }', {
      input: { projectId, userId: viewer.id, role: 'VIEWER' },
    })
    expect((await ask()).data.project.name).toBe('People')
  })

  it.each<[string, () => Promise<string>, RegExp]>([
    ['expired', () => sign({ expiresIn: '-1m' }), /it has expired/],
    ['for somebody else', () => sign({ aud: 'another service' }), /its audience must be tributary/],
    ['of another issuer', () => sign({ iss: 'https://else.example.org' }), /its issuer must be/],
    [
      'signed with another key',
      async () => sign({}, (await generateKeyPair('RS256')).privateKey),
      /its signature is wrong/,
    ],
    [
      'signed with a shared secret',
      () =>
        new SignJWT({})
          .setProtectedHeader({ alg: 'HS256' })
          .setIssuer(issuer.url)
          .setAudience(AUDIENCE)
          .setSubject('u-1')
          .setExpirationTime('5m')
          .sign(new TextEncoder().encode('x'.repeat(32))),
      /must be signed with one of/,
    ],
    [
      'not signed at all',
      async () => {
        const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
        return `${part({ alg: 'none' })}.${part({ sub: 'u-1', iss: issuer.url, aud: AUDIENCE, exp: 4_000_000_000 })}.AA`
      },
      /must be signed with one of/,
    ],
  ])('are refused when %s, with the reason', async (_what, token, reason) => {
    const { status, errors } = await t.gql(VIEWER, {}, await token())
    expect([status, errors?.[0].extensions.code]).toEqual([401, 'UNAUTHENTICATED'])
    expect(errors?.[0].message).toMatch(reason)
  })

  it('an issuer that does not answer is an outage of ours, not a wrong token, and is asked again', async () => {
    const down = await openReceiver(({ url }) => ({ status: isUp || url === '/keys' ? 200 : 503, body: answers[url] }))
    let isUp = false
    const answers: Record<string, unknown> = {
      '/.well-known/openid-configuration': { jwks_uri: `${down.url}/keys` },
      '/keys': { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'RS256' }] },
    }
    const other = await openTestApp({ works: false, env: { OIDC_ISSUER: down.url, OIDC_AUDIENCE: AUDIENCE } })
    const token = await sign({ iss: down.url })
    const { errors, status } = await other.gql(VIEWER, {}, token)
    expect(status).toBe(500)
    expect(errors?.[0].extensions.code).toBe('INTERNAL')
    isUp = true
    expect((await other.gql(VIEWER, {}, token)).data.viewer.displayName).toBe('Grace')
    await other.close()
    await down.close()
  })
})

describe('the first administrator', () => {
  it('is made once, on a database without users', async () => {
    const fresh = await openTestApp({ works: false })
    expect(await createFirstUser(fresh.app)).toBeUndefined()
    await fresh.app.prisma.personalToken.deleteMany()
    await fresh.app.prisma.user.deleteMany()
    const secret = await createFirstUser(fresh.app)
    expect((await fresh.ok(VIEWER, {}, secret)).viewer.displayName).toBe('Administrator')
    expect(await createFirstUser(fresh.app)).toBeUndefined()
    await fresh.close()
  })

  it('may come from the environment instead', async () => {
    expect((await t.ok(VIEWER, {}, ADMIN_TOKEN)).viewer.displayName).toBe('Administrator')
    expect((await t.gql(VIEWER, {}, `${ADMIN_TOKEN}x`)).status).toBe(401)
  })
})

describe('the audit log', () => {
  const AUDIT = `query($id: ID!, $first: Int!, $after: String) { project(id: $id) { auditEvents(first: $first, after: $after) {
    edges { cursor node { id action requestId occurredAt detail actor { displayName } target { __typename id } } } pageInfo { hasNextPage endCursor } } } }`

  it('says who did what to what, newest first, page by page, with the id of the request', async () => {
    const answer = await request(t.http.express)
      .post('/graphql')
      .set({ authorization: `Bearer ${t.token}`, 'x-request-id': 'request-of-the-test' })
      .send({
        query: 'mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } } }',
        variables: { input: { projectId, label: 'audited', role: 'VIEWER', expiresAt: new Date(Date.now() + 1e8) } },
      })
    const apiKeyId = answer.body.data.createApiKey.apiKey.id
    const { auditEvents } = (await t.ok(AUDIT, { id: projectId, first: 1 })).project
    expect(auditEvents.edges[0].node).toMatchObject({
      action: 'api_key.created',
      requestId: 'request-of-the-test',
      detail: { role: 'VIEWER' },
      actor: { displayName: 'Ada' },
      target: { __typename: 'ApiKey', id: apiKeyId },
    })
    const all: string[] = []
    let after: string | null = null
    do {
      const page: { edges: { node: { action: string } }[]; pageInfo: { hasNextPage: boolean; endCursor: string } } = (
        await t.ok(AUDIT, { id: projectId, first: 1, after })
      ).project.auditEvents
      all.push(...page.edges.map(({ node }) => node.action))
      after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null
    } while (after)
    expect(all.at(-1)).toBe('project.created')
    expect(all.slice(0, 1)).toEqual(['api_key.created'])
  })

  it('is for engineers; keys and webhooks are for admins, by node too', async () => {
    const { viewer } = await t.ok(VIEWER, {}, t.strangerToken)
    const set = (role: string) =>
      t.ok(
        'mutation($input: SetMembershipInput!) { setMembership(input: $input) { membership { id role user { displayName } } userErrors { code } } }',
        {
          input: { projectId, userId: viewer.id, role },
        },
      )
    const { setMembership } = await set('REVIEWER')
    const [event] = (await t.ok(AUDIT, { id: projectId, first: 1 })).project.auditEvents.edges
    const { apiKeys } = (await t.ok('query($id: ID!) { project(id: $id) { apiKeys { id } } }', { id: projectId }))
      .project
    const nodes = async () =>
      (
        await t.ok(
          'query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }',
          { ids: [event.node.id, apiKeys[0].id, setMembership.membership.id] },
          t.strangerToken,
        )
      ).nodes.map((node: { __typename: string } | null) => node?.__typename ?? null)
    expect(await nodes()).toEqual([null, null, 'Membership'])
    expect((await t.gql(AUDIT, { id: projectId, first: 1 }, t.strangerToken)).errors?.[0].extensions.code).toBe(
      'FORBIDDEN',
    )
    await set('ENGINEER')
    expect(await nodes()).toEqual(['AuditEvent', null, 'Membership'])
    await set('ADMIN')
    expect(await nodes()).toEqual(['AuditEvent', 'ApiKey', 'Membership'])
    await set('VIEWER')
  })

  it('every page is refused above 250', async () => {
    for (const field of ['auditEvents', 'items', 'identities', 'clusterRuns', 'decisions', 'constraints']) {
      const { errors } = await t.gql(
        `query($id: ID!) { project(id: $id) { ${field}(first: 251) { edges { cursor } } } }`,
        { id: projectId },
      )
      expect([field, errors?.[0].message]).toEqual([field, 'first must be 1 to 250: got 251'])
    }
  })
})

describe('limits by caller', () => {
  it('too many refused sign-ins close an address for a minute; a right key is closed out with it', async () => {
    const limited = await openTestApp({ works: false, env: { SIGN_IN_FAILURES_PER_MINUTE: '3', PROXY_HOPS: '1' } })
    const from = (address: string, token?: string) => {
      const asked = request(limited.http.express).post('/graphql').set('x-forwarded-for', `10.9.9.9, ${address}`)
      return (token ? asked.set('authorization', `Bearer ${token}`) : asked).send({ query: VIEWER })
    }
    // Nothing given is no attempt.
    for (let i = 0; i < 5; i++) expect((await from('203.0.113.7')).status).toBe(401)
    for (let i = 0; i < 3; i++) expect((await from('203.0.113.7', 'wrong')).status).toBe(401)
    const refused = await from('203.0.113.7', limited.token)
    expect(refused.status).toBe(429)
    expect(refused.body.errors[0]).toMatchObject({
      extensions: { code: 'RATE_LIMITED' },
      message: expect.stringContaining('try again in'),
    })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await from('203.0.113.8', limited.token)).status).toBe(200)
    await limited.close()
  })

  it('each key has its own number of requests', async () => {
    const limited = await openTestApp({ works: false, env: { REQUESTS_PER_MINUTE: '3' } })
    for (let i = 0; i < 3; i++) expect((await limited.gql(VIEWER)).status).toBe(200)
    const { status, errors } = await limited.gql(VIEWER)
    expect([status, errors?.[0].extensions.code]).toEqual([429, 'RATE_LIMITED'])
    expect(errors?.[0].message).toMatch(/^more than 3 requests a minute with this key: try again in \d+ s$/)
    expect((await limited.gql(VIEWER, {}, limited.strangerToken)).status).toBe(200)
    await limited.close()
  })
})

describe('metrics', () => {
  const scrape = (token?: string) => {
    const asked = request(t.http.express).get('/metrics')
    return token ? asked.set('authorization', `Bearer ${token}`) : asked
  }

  it('count operations by root field and outcome, and tell the depth of the queue and the pool', async () => {
    await t.gql(VIEWER)
    await t.gql('query SomeNameOfAClient { node(id: "nonsense") { id } }')
    await t.gql(
      'query($id: ID!) { project(id: $id) { name } }',
      { id: projectId },
      t.app.tokens.mintPersonalToken(key()).secret,
    )
    await t.gql('query($id: ID!) { job(id: $id) { id } }', { id: 'nonsense' })
    await t.app.prisma.job.create({
      data: { projectId: (await t.app.prisma.project.findFirstOrThrow()).id, id: key(), kind: 'export' },
    })
    const { status, text, headers } = await scrape('a-token-for-the-scraper')
    expect(status).toBe(200)
    expect(headers['content-type']).toContain('text/plain')
    expect(text).toMatch(/tributary_operations_total\{type="query",field="viewer",outcome="ok"\} \d+/)
    expect(text).toMatch(/tributary_operations_total\{type="query",field="job",outcome="NOT_FOUND"\} 1/)
    expect(text).toMatch(/tributary_operation_duration_seconds_bucket\{le="0.1",type="query",field="node"\} \d+/)
    expect(text).toContain('tributary_queue_depth{kind="export",state="queued"} 1')
    expect(text).toMatch(/tributary_database_connections\{state="open"\} \d+/)
    expect(text).toContain('process_resident_memory_bytes')
    expect(text).not.toContain('SomeNameOfAClient')
  })

  it('are closed without the token, with a wrong one, and where none is set', async () => {
    expect((await scrape()).status).toBe(401)
    expect((await scrape('another-token-entirely')).status).toBe(401)
    expect((await scrape(t.token)).status).toBe(401)
  })
})
