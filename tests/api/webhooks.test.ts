import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createSecretBox } from '../../src/infra/secret-box.ts'
import { decodeRoot } from '../../src/resolvers/global-id.ts'
import { tidyUp } from '../../src/services/housekeeping.ts'
import { MAX_ATTEMPTS, retryDelaySeconds, sendDueDeliveries } from '../../src/services/webhook-delivery.ts'
import { resealWebhookSecrets } from '../../src/services/webhook-secrets.ts'
import { createWebhookEndpoint } from '../../src/services/webhooks.ts'
import { key, openTestApp, type TestApp } from '../support/app.ts'
import { openReceiver } from '../support/receiver.ts'

let t: TestApp
let receiver: Awaited<ReturnType<typeof openReceiver>>
let projectId: string
let status = 204

beforeAll(async () => {
  receiver = await openReceiver(() => ({ status }))
  t = await openTestApp({ works: false, env: { ALLOW_PRIVATE_NETWORKS: '127.0.0.1/32' } })
  const { createProject } = await t.ok(
    'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }',
    { input: { name: 'Hooks', embeddingDimension: 4, idempotencyKey: key() } },
  )
  projectId = createProject.project.id
})
afterAll(async () => {
  await t?.close()
  await receiver?.close()
})
beforeEach(() => {
  status = 204
  receiver.received.length = 0
})

const CREATE =
  'mutation($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { webhookEndpoint { id url events deadLetterCount } signingSecret userErrors { code message path } } }'
const create = async (input: object, as?: string) =>
  (await t.ok(CREATE, { input: { projectId, ...input } }, as)).createWebhookEndpoint
const remove = async (webhookEndpointId: string) =>
  (
    await t.ok(
      'mutation($input: DeleteWebhookEndpointInput!) { deleteWebhookEndpoint(input: $input) { deletedId userErrors { code } } }',
      { input: { webhookEndpointId } },
    )
  ).deleteWebhookEndpoint

/** An event: somebody becomes a member. Returns the request id of the call. */
async function makeEvent(): Promise<string> {
  const { viewer } = await t.ok('{ viewer { id } }', {}, t.strangerToken)
  await t.ok('mutation($input: SetMembershipInput!) { setMembership(input: $input) { userErrors { message } } }', {
    input: { projectId, userId: viewer.id, role: 'VIEWER' },
  })
  const last = await t.app.prisma.auditEvent.findFirstOrThrow({
    where: { action: 'membership.set' },
    orderBy: { id: 'desc' },
  })
  return last.requestId
}

const deliveries = (isDead?: boolean) =>
  t.ok(
    `query($id: ID!, $isDead: Boolean) { project(id: $id) { webhookEndpoints { id deadLetterCount deliveries(isDead: $isDead) {
      edges { node { event attempts nextAttemptAt deliveredAt deadAt lastError auditEvent { action } } } } } } }`,
    { id: projectId, isDead },
  )
const nodesOf = async (isDead?: boolean) =>
  (await deliveries(isDead)).project.webhookEndpoints[0].deliveries.edges.map(({ node }: { node: object }) => node)
/** A second ago: the column holds milliseconds, to which the database rounds up as often as down. */
const makeDue = () =>
  t.app.prisma.$executeRaw`UPDATE "WebhookDelivery" SET "nextAttemptAt" = now() - interval '1 second'`

it('an event arrives signed, with who, what and when; the signature is the one of Standard Webhooks', async () => {
  const { webhookEndpoint, signingSecret, userErrors } = await create({
    url: `${receiver.url}/hook`,
    events: ['membership.set'],
  })
  expect(userErrors).toEqual([])
  expect(JSON.parse(receiver.received[0]?.body as string)).toEqual({ event: 'ping' })
  receiver.received.length = 0
  const requestId = await makeEvent()
  expect(await sendDueDeliveries(t.app)).toBe(1)
  const [{ url, headers, body }] = receiver.received as [(typeof receiver.received)[0]]
  expect(url).toBe('/hook')
  expect(JSON.parse(body)).toMatchObject({
    event: 'membership.set',
    projectId,
    requestId,
    actor: { displayName: 'Ada' },
    target: { type: 'User' },
    detail: { role: 'VIEWER' },
  })
  expect(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60)
  const expected = createHmac('sha256', Buffer.from(signingSecret.replace('whsec_', ''), 'base64'))
    .update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
    .digest('base64')
  expect(headers['webhook-signature']).toBe(`v1,${expected}`)
  // The ids are the API's own.
  const { node } = await t.ok(
    'query($id: ID!) { node(id: $id) { ... on AuditEvent { action target { ... on User { displayName } } } } }',
    {
      id: JSON.parse(body).id,
    },
  )
  expect(node).toEqual({ action: 'membership.set', target: { displayName: 'Stranger' } })
  expect(await nodesOf()).toMatchObject([
    { attempts: 1, lastError: null, nextAttemptAt: null, auditEvent: { action: 'membership.set' } },
  ])
  // Delivered is delivered.
  await makeDue()
  expect(await sendDueDeliveries(t.app)).toBe(0)
  await remove(webhookEndpoint.id)
})

it('is queued in the transaction of its event: what is rolled back is not told', async () => {
  const { webhookEndpoint } = await create({ url: receiver.url, events: ['membership.set'] })
  const row = { projectId: decodeRoot('Project', projectId), id: key(), action: 'membership.set', requestId: 'r' }
  await expect(
    t.app.prisma.$transaction(async (tx) => {
      await tx.auditEvent.create({ data: row })
      expect(await tx.webhookDelivery.count()).toBe(1)
      throw new Error('rolled back')
    }),
  ).rejects.toThrow('rolled back')
  expect(await t.app.prisma.webhookDelivery.count()).toBe(0)
  await remove(webhookEndpoint.id)
})

it('is tried again after longer and longer pauses, then becomes a dead letter, which can be sent again', async () => {
  const { webhookEndpoint } = await create({ url: receiver.url, events: ['membership.set'] })
  receiver.received.length = 0
  status = 503
  await makeEvent()
  expect(await sendDueDeliveries(t.app)).toBe(1)
  expect(await nodesOf()).toMatchObject([{ attempts: 1, lastError: 'answered 503', deliveredAt: null, deadAt: null }])
  // Not due yet.
  expect(await sendDueDeliveries(t.app)).toBe(0)
  for (let attempt = 2; attempt <= MAX_ATTEMPTS; attempt++) {
    await makeDue()
    expect(await sendDueDeliveries(t.app)).toBe(1)
  }
  expect(receiver.received).toHaveLength(MAX_ATTEMPTS)
  // Repeats carry the same id, by which a receiver tells them.
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  expect(await nodesOf(true)).toMatchObject([
    { attempts: MAX_ATTEMPTS, nextAttemptAt: null, lastError: 'answered 503' },
  ])
  expect((await deliveries()).project.webhookEndpoints[0].deadLetterCount).toBe(1)
  await makeDue()
  expect(await sendDueDeliveries(t.app)).toBe(0)

  status = 200
  const { replayWebhookDeliveries } = await t.ok(
    'mutation($input: ReplayWebhookDeliveriesInput!) { replayWebhookDeliveries(input: $input) { replayedCount webhookEndpoint { deadLetterCount } userErrors { message } } }',
    { input: { webhookEndpointId: webhookEndpoint.id, idempotencyKey: key() } },
  )
  expect(replayWebhookDeliveries).toEqual({ replayedCount: 1, webhookEndpoint: { deadLetterCount: 0 }, userErrors: [] })
  await makeDue()
  expect(await sendDueDeliveries(t.app)).toBe(1)
  expect((await nodesOf(false))[0]).toMatchObject({ attempts: 1, deadAt: null, lastError: null })
  await remove(webhookEndpoint.id)
})

it('a receiver that is gone, or refuses for ever, is not tried again', async () => {
  const { webhookEndpoint } = await create({ url: receiver.url, events: ['membership.set'] })
  status = 410
  await makeEvent()
  await sendDueDeliveries(t.app)
  expect(await nodesOf()).toMatchObject([{ attempts: 1, lastError: 'answered 410', deadAt: expect.any(String) }])
  await remove(webhookEndpoint.id)
})

it('a delivery whose worker died is sent again after its lease', async () => {
  const { webhookEndpoint } = await create({ url: receiver.url, events: ['membership.set'] })
  receiver.received.length = 0
  await makeEvent()
  // Taken, and never settled.
  await t.app.prisma
    .$executeRaw`UPDATE "WebhookDelivery" SET "attempts" = 1, "nextAttemptAt" = now() + interval '60 seconds'`
  expect(await sendDueDeliveries(t.app)).toBe(0)
  await makeDue()
  expect(await sendDueDeliveries(t.app)).toBe(1)
  expect(receiver.received).toHaveLength(1)
  await remove(webhookEndpoint.id)
})

it('pauses grow three times each, up to six hours', () => {
  const seconds = Array.from({ length: MAX_ATTEMPTS - 1 }, (_, i) => retryDelaySeconds(i + 1, () => 0.5))
  expect(seconds.slice(0, 4)).toEqual([5, 15, 45, 135])
  expect(Math.max(...seconds)).toBe(6 * 3600)
  expect(seconds.reduce((sum, s) => sum + s) / 3600).toBeGreaterThan(20)
})

it('refuses unknown events, addresses that are not public, and who is no admin', async () => {
  expect((await create({ url: receiver.url, events: ['no.such'] })).userErrors[0]).toMatchObject({
    code: 'INVALID',
    message: expect.stringMatching(/^events must be some of .*decision\.applied.*: got no\.such$/),
    path: ['input', 'events'],
  })
  expect((await create({ url: receiver.url, events: [] })).userErrors[0].message).toContain('got none')
  for (const url of ['http://169.254.169.254/latest', 'http://127.0.0.2/', 'http://[::1]/', 'ftp://example.org/']) {
    const { userErrors, signingSecret } = await create({ url, events: ['job.failed'] })
    expect(userErrors[0]).toMatchObject({ code: 'INVALID', path: ['input', 'url'] })
    expect(signingSecret).toBeNull()
  }
  expect((await create({ url: receiver.url, events: ['job.failed'] }, t.strangerToken)).userErrors[0].code).toBe(
    'FORBIDDEN',
  )
  const { errors } = await t.gql(
    'query($id: ID!) { project(id: $id) { webhookEndpoints { id } } }',
    { id: projectId },
    t.strangerToken,
  )
  expect(errors?.[0].extensions.code).toBe('FORBIDDEN')
  expect(await t.app.prisma.webhookEndpoint.count()).toBe(0)
})

it('the signing secret is encrypted in the database, and nothing of the API shows it again', async () => {
  const { webhookEndpoint, signingSecret } = await create({ url: receiver.url, events: ['membership.set'] })
  const { secret } = await t.app.prisma.webhookEndpoint.findFirstOrThrow()
  expect(secret).toMatch(/^sealed:v1:/)
  expect(secret).not.toContain(signingSecret.replace('whsec_', ''))
  const { __type } = await t.ok('{ __type(name: "WebhookEndpoint") { fields { name } } }')
  expect(__type.fields.map(({ name }: { name: string }) => name).join()).not.toMatch(/secret/i)
  await remove(webhookEndpoint.id)
})

const signatureOf = (
  signingSecret: string,
  { headers, body }: { headers: NodeJS.Dict<string | string[]>; body: string },
) =>
  `v1,${createHmac('sha256', Buffer.from(signingSecret.replace('whsec_', ''), 'base64'))
    .update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
    .digest('base64')}`

it('a secret stored before there was a key goes on signing, and is encrypted by the next tidying; so is one of an old key', async () => {
  const { webhookEndpoint, signingSecret } = await create({ url: receiver.url, events: ['membership.set'] })
  const stored = async () => (await t.app.prisma.webhookEndpoint.findFirstOrThrow()).secret
  const byOldKey = createSecretBox([new Uint8Array(32).fill(7)])
  const { projectId: inProject, id } = await t.app.prisma.webhookEndpoint.findFirstOrThrow()
  const withBox = (...keys: Uint8Array[]) => ({ ...t.app, secretBox: createSecretBox(keys) })

  for (const [old, app] of [
    [signingSecret, t.app],
    [
      byOldKey.seal(signingSecret, `WebhookEndpoint/${inProject}/${id}`),
      withBox(new Uint8Array(32).fill(8), new Uint8Array(32).fill(7)),
    ],
  ] as const) {
    await t.app.prisma.webhookEndpoint.updateMany({ data: { secret: old } })
    receiver.received.length = 0
    await makeEvent()
    await sendDueDeliveries(app)
    expect(receiver.received[0]?.headers['webhook-signature']).toBe(
      signatureOf(signingSecret, receiver.received[0] as (typeof receiver.received)[0]),
    )
    await tidyUp(app)
    const sealed = await stored()
    expect(sealed.startsWith(app.secretBox.currentPrefix as string)).toBe(true)
    // A second time there is nothing to do.
    await tidyUp(app)
    expect(await stored()).toBe(sealed)
  }

  // The key is lost: nothing is sent unsigned, the row stays as it is, and the delivery waits and says why.
  const lost = withBox(new Uint8Array(32).fill(9))
  const before = await stored()
  expect(await resealWebhookSecrets(lost)).toBe(1)
  expect(await stored()).toBe(before)
  receiver.received.length = 0
  await makeEvent()
  await sendDueDeliveries(lost)
  expect(receiver.received).toEqual([])
  expect((await nodesOf())[0]).toMatchObject({
    attempts: 1,
    deadAt: null,
    lastError: expect.stringMatching(/sealed with the key [0-9a-f]{8}, which ENCRYPTION_KEYS lacks/),
  })
  await remove(webhookEndpoint.id)
})

it('without a key none can be made, and the refusal says what to set', async () => {
  const { app } = t
  const user = await app.prisma.user.findFirstOrThrow({ where: { displayName: 'Ada' } })
  const viewer = { userId: user.id, requestId: 'test', roles: new Map() }
  const input = { projectId: decodeRoot('Project', projectId), url: receiver.url, events: ['membership.set'] }
  await expect(createWebhookEndpoint({ ...app, secretBox: createSecretBox([]) }, viewer, input)).rejects.toMatchObject({
    code: 'INVALID_STATE',
    message: expect.stringMatching(/^ENCRYPTION_KEYS is not set: .*openssl rand -base64 32/),
  })
  expect(receiver.received).toEqual([])
})
