import type { WebhookDelivery, WebhookEndpoint } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { recordAudit } from './audit.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { cutPage, idOf, instantOf, type Page, type PageResult } from './page.ts'
import { sealWebhookSecret } from './webhook-secrets.ts'
import { mintWebhookSecret, signWebhook } from './webhook-signature.ts'

/** Actions of the audit log that endpoints may ask for. */
export const WEBHOOK_EVENTS = [
  'dataset.created',
  'decision.applied',
  'decision.reverted',
  'export.created',
  'import.started',
  'item.erased',
  'job.canceled',
  'job.failed',
  'job.succeeded',
  'membership.set',
  'model.activated',
  'run.published',
  'run.started',
  'training.started',
] as const

const MAX_ENDPOINTS = 20
const MAX_URL = 2_000
const PING_TIMEOUT_MS = 2_000

function checkEvents(events: readonly string[]): string[] {
  const unknown = events.filter((event) => !(WEBHOOK_EVENTS as readonly string[]).includes(event))
  if (events.length === 0 || unknown.length > 0) {
    const got = unknown.length > 0 ? unknown.join(', ') : 'none'
    throw invalid(`events must be some of ${WEBHOOK_EVENTS.join(', ')}: got ${got}`, 'input', 'events')
  }
  return [...new Set(events)].sort()
}

/**
 * Calls the address once with the event `ping`, so that one we may not call is refused here and not in an hour. What the
 * receiver answers does not matter: it may not be up yet, or not know the secret.
 */
async function ping(app: App, url: string, secret: string): Promise<void> {
  const body = JSON.stringify({ event: 'ping' })
  const now = Math.floor(app.clock.now().getTime() / 1_000)
  const headers = { 'content-type': 'application/json', ...signWebhook(secret, newId(), now, body) }
  try {
    const response = await app.fetch(url, { method: 'POST', headers, body, timeoutMs: PING_TIMEOUT_MS })
    response.body.destroy()
  } catch (error) {
    if (error instanceof DomainError && error.code === 'INVALID') throw invalid(error.message, 'input', 'url')
    app.log.debug({ err: error }, 'a new webhook receiver does not answer yet')
  }
}

/** ADMIN only. The secret that signs deliveries is in this answer only. */
export async function createWebhookEndpoint(
  app: App,
  viewer: Viewer,
  { projectId, url, events }: { projectId: string; url: string; events: string[] },
): Promise<{ webhookEndpoint: WebhookEndpoint; signingSecret: string }> {
  await requireAccess(app, viewer, projectId, 'project.admin')
  const wanted = checkEvents(events)
  if (url.length > MAX_URL)
    throw invalid(`url must have at most ${MAX_URL} characters: got ${url.length}`, 'input', 'url')
  const { problem } = app.secretBox
  if (problem) throw new DomainError('INVALID_STATE', problem)
  const signingSecret = mintWebhookSecret()
  await ping(app, url, signingSecret)
  const webhookEndpoint = await app.prisma.$transaction(async (tx) => {
    if ((await tx.webhookEndpoint.count({ where: { projectId } })) >= MAX_ENDPOINTS) {
      throw new DomainError('LIMIT_EXCEEDED', `a project has at most ${MAX_ENDPOINTS} webhooks: delete one first`)
    }
    const id = newId()
    const secret = sealWebhookSecret(app, { projectId, id }, signingSecret)
    const data = { projectId, id, url, events: wanted, secret, createdById: viewer.userId }
    const created = await tx.webhookEndpoint.create({ data })
    const detail = { url: new URL(url).origin, events: wanted }
    await recordAudit(tx, viewer, { projectId, action: 'webhook.created', target: ['WebhookEndpoint', id], detail })
    return created
  })
  return { webhookEndpoint, signingSecret }
}

/** ADMIN only. What is on its way to it goes with it. */
export async function deleteWebhookEndpoint(app: App, viewer: Viewer, { projectId, id }: Ref): Promise<void> {
  await requireAccess(app, viewer, projectId, 'project.admin')
  await app.prisma.$transaction(async (tx) => {
    const { count } = await tx.webhookEndpoint.deleteMany({ where: { projectId, id } })
    if (count === 0) throw notFound('webhook', id)
    await tx.webhookDelivery.deleteMany({ where: { projectId, endpointId: id } })
    await recordAudit(tx, viewer, { projectId, action: 'webhook.deleted', target: ['WebhookEndpoint', id] })
  })
}

/** ADMIN only; oldest first. */
export async function listWebhookEndpoints(app: App, viewer: Viewer, projectId: string): Promise<WebhookEndpoint[]> {
  await requireAccess(app, viewer, projectId, 'project.admin')
  return app.prisma.webhookEndpoint.findMany({ where: { projectId }, orderBy: { id: 'asc' } })
}

/** Deliveries to an endpoint that failed for good, by endpoint. */
export async function countDeadLetters(app: App, refs: readonly Ref[]): Promise<number[]> {
  const groups = await app.prisma.webhookDelivery.groupBy({
    by: ['projectId', 'endpointId'],
    where: { deadAt: { not: null }, OR: refs.map(({ projectId, id }) => ({ projectId, endpointId: id })) },
    _count: true,
  })
  const counts = new Map(groups.map((group) => [`${group.projectId}/${group.endpointId}`, group._count]))
  return refs.map(({ projectId, id }) => counts.get(`${projectId}/${id}`) ?? 0)
}

/** The sort key of a delivery: its cursor. */
export const deliveryKeyset = ({ createdAt, id }: WebhookDelivery) => [createdAt.toISOString(), id]

/** ADMIN only. Deliveries to an endpoint, newest first. */
export async function listDeliveries(
  app: App,
  viewer: Viewer,
  { projectId, id }: Ref,
  { first, after }: Page,
  isDead: boolean | null | undefined,
): Promise<PageResult<WebhookDelivery>> {
  await requireAccess(app, viewer, projectId, 'project.admin')
  const createdAt = after && instantOf(after)
  const rows = await app.prisma.webhookDelivery.findMany({
    where: {
      projectId,
      endpointId: id,
      ...(isDead != null && { deadAt: isDead ? { not: null } : null }),
      ...(createdAt && { OR: [{ createdAt: { lt: createdAt } }, { createdAt, id: { gt: idOf(after, 1) } }] }),
    },
    orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
    take: first + 1,
  })
  return cutPage(rows, first)
}

/** ADMIN only. Sends what failed for good once more, with all attempts before it. */
export async function replayWebhookDeliveries(
  app: App,
  viewer: Viewer,
  input: Ref & { idempotencyKey: string },
): Promise<{ webhookEndpoint: WebhookEndpoint; replayedCount: number }> {
  const { projectId, id } = input
  await requireAccess(app, viewer, projectId, 'project.admin')
  const where = { projectId_id: { projectId, id } }
  const { replayedCount } = await onceOnly(app, viewer, 'replayWebhookDeliveries', input, async (tx) => {
    if (!(await tx.webhookEndpoint.findUnique({ where }))) throw notFound('webhook', id)
    const { count } = await tx.webhookDelivery.updateMany({
      where: { projectId, endpointId: id, deadAt: { not: null } },
      data: { deadAt: null, attempts: 0, nextAttemptAt: app.clock.now() },
    })
    const detail = { count }
    await recordAudit(tx, viewer, { projectId, action: 'webhook.replayed', target: ['WebhookEndpoint', id], detail })
    return { replayedCount: count }
  })
  return { webhookEndpoint: await app.prisma.webhookEndpoint.findUniqueOrThrow({ where }), replayedCount }
}
