import type { AuditEvent, WebhookDelivery, WebhookEndpoint } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { DomainError } from './errors.ts'
import { encodeId, encodeRoot, type ProjectNodeType } from './global-id.ts'
import { findRows } from './rows.ts'
import { findUsers } from './users.ts'
import { openWebhookSecret } from './webhook-secrets.ts'
import { signWebhook } from './webhook-signature.ts'

/** Spread over most of a day: a receiver that is down over night still gets everything. */
export const MAX_ATTEMPTS = 12
const FIRST_RETRY_SECONDS = 5
const MAX_RETRY_SECONDS = 6 * 3_600
const TIMEOUT_MS = 10_000
/** A delivery that nobody has settled by then is taken for lost, and sent again. */
const LEASE_SECONDS = 60
const BATCH = 20
/** Said by a receiver that never wants to hear of it again. */
const GONE = 410
const MAX_ERROR = 500

/** Seconds until the next attempt: three times as long each time, a little apart for deliveries that failed together. */
export function retryDelaySeconds(attempts: number, random: () => number = Math.random): number {
  return Math.min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 3 ** (attempts - 1)) * (0.9 + 0.2 * random())
}

/** Takes what is due; whoever else is taking at this moment gets others. */
function claimDue({ prisma }: App): Promise<WebhookDelivery[]> {
  return prisma.$queryRaw<WebhookDelivery[]>`
    /* claimDeliveries */
    UPDATE "WebhookDelivery" d SET "attempts" = d."attempts" + 1,
      "nextAttemptAt" = now() + ${LEASE_SECONDS} * interval '1 second'
    FROM (
      SELECT "projectId", "id" FROM "WebhookDelivery"
      WHERE "deliveredAt" IS NULL AND "deadAt" IS NULL AND "nextAttemptAt" <= now()
      ORDER BY "nextAttemptAt" LIMIT ${BATCH} FOR UPDATE SKIP LOCKED) s
    WHERE d."projectId" = s."projectId" AND d."id" = s."id"
    RETURNING d.*`
}

const globalIdOf = ({ projectId }: AuditEvent, type: string, id: string): string =>
  type === 'User' || type === 'Project' ? encodeRoot(type, id) : encodeId(type as ProjectNodeType, { projectId, id })

/** What a receiver gets: the audit event, with ids that the API takes. */
function bodyOf(event: AuditEvent, actor: { id: string; displayName: string } | null): string {
  const { projectId, id, action, targetType, targetId, requestId, occurredAt, detail } = event
  return JSON.stringify({
    id: encodeId('AuditEvent', { projectId, id }),
    event: action,
    projectId: encodeRoot('Project', projectId),
    occurredAt: occurredAt.toISOString(),
    requestId,
    actor: actor && { id: encodeRoot('User', actor.id), displayName: actor.displayName },
    target: targetType && targetId ? { type: targetType, id: globalIdOf(event, targetType, targetId) } : null,
    detail,
  })
}

type Outcome = { isDelivered: true } | { isDelivered: false; isFinal: boolean; problem: string }

async function post(app: App, url: string, headers: Record<string, string>, body: string): Promise<Outcome> {
  try {
    const response = await app.fetch(url, { method: 'POST', headers, body, timeoutMs: TIMEOUT_MS })
    response.body.destroy()
    if (response.status >= 200 && response.status < 300) return { isDelivered: true }
    return { isDelivered: false, isFinal: response.status === GONE, problem: `answered ${response.status}` }
  } catch (error) {
    // A refused address stays refused; an outage may pass.
    return { isDelivered: false, isFinal: error instanceof DomainError, problem: (error as Error).message }
  }
}

async function sendSigned(app: App, endpoint: WebhookEndpoint, deliveryId: string, body: string): Promise<Outcome> {
  const seconds = Math.floor(app.clock.now().getTime() / 1_000)
  let signature: ReturnType<typeof signWebhook>
  try {
    signature = signWebhook(openWebhookSecret(app, endpoint), deliveryId, seconds, body)
  } catch (error) {
    // The key may be given back.
    return { isDelivered: false, isFinal: false, problem: (error as Error).message }
  }
  return post(app, endpoint.url, { 'content-type': 'application/json', ...signature }, body)
}

async function settle(app: App, { projectId, id, attempts }: WebhookDelivery, outcome: Outcome): Promise<void> {
  const where = { projectId, id }
  const now = app.clock.now()
  if (outcome.isDelivered) {
    app.metrics.countDelivery('delivered')
    await app.prisma.webhookDelivery.updateMany({ where, data: { deliveredAt: now, lastError: null } })
    return
  }
  const isDead = outcome.isFinal || attempts >= MAX_ATTEMPTS
  app.metrics.countDelivery(isDead ? 'dead' : 'retried')
  await app.prisma.webhookDelivery.updateMany({
    where,
    data: {
      lastError: outcome.problem.slice(0, MAX_ERROR),
      ...(isDead ? { deadAt: now } : { nextAttemptAt: new Date(now.getTime() + 1_000 * retryDelaySeconds(attempts)) }),
    },
  })
}

/** Sends what is due, side by side, and returns how many were tried. At least once: a receiver tells repeats by the id. */
export async function sendDueDeliveries(app: App): Promise<number> {
  const due = await claimDue(app)
  if (due.length === 0) return 0
  const refs = (key: 'endpointId' | 'auditEventId') => due.map((row) => ({ projectId: row.projectId, id: row[key] }))
  const endpoints = await findRows(app, 'webhookEndpoint', refs('endpointId'))
  const events = await findRows(app, 'auditEvent', refs('auditEventId'))
  const actors = await findUsers(
    app,
    events.flatMap((event) => event?.actorId ?? []),
  )
  const actorOf = (id: string | null | undefined) => actors.find((actor) => actor?.id === id) ?? null
  await Promise.all(
    due.map(async (delivery, i) => {
      const [endpoint, event] = [endpoints[i], events[i]]
      // Deleted since.
      if (!endpoint || !event) return
      const body = bodyOf(event, actorOf(event.actorId))
      const outcome = await app.tracing.span('webhook delivery', { event: event.action }, () =>
        sendSigned(app, endpoint, delivery.id, body),
      )
      await settle(app, delivery, outcome)
    }),
  )
  return due.length
}
