import type { Project, WebhookDelivery, WebhookEndpoint } from '../generated/prisma/client.ts'
import * as webhooks from '../services/webhooks.ts'
import { type PageArgs, pageOf, toConnection } from './connection.ts'
import type { Context } from './context.ts'
import { decodeId, decodeRoot, encodeId } from './global-id.ts'
import { findNode } from './node.ts'
import { payload } from './payload.ts'

export const endpointId = (endpoint: WebhookEndpoint) => encodeId('WebhookEndpoint', endpoint)
export const deliveryId = (delivery: WebhookDelivery) => encodeId('WebhookDelivery', delivery)

export const deadLetterCount = ({ projectId, id }: WebhookEndpoint, _args: unknown, { load }: Context) =>
  load.deadLetters.load({ projectId, id })

export const projectEndpoints = ({ id }: Project, _args: unknown, { app, viewer }: Context) =>
  webhooks.listWebhookEndpoints(app, viewer, id)

export async function deliveries(
  endpoint: WebhookEndpoint,
  args: PageArgs & { isDead?: boolean | null },
  { app, viewer }: Context,
) {
  const page = pageOf(args)
  const found = await webhooks.listDeliveries(app, viewer, endpoint, page, args.isDead)
  return toConnection(page, found, webhooks.deliveryKeyset, (node) => ({ node }))
}

export const deliveryEvent = ({ projectId, auditEventId }: WebhookDelivery, _args: unknown, context: Context) =>
  findNode(encodeId('AuditEvent', { projectId, id: auditEventId }), context)

/** Null while it is delivered or dead: there is no next attempt. */
export const nextAttemptAt = ({ nextAttemptAt, deliveredAt, deadAt }: WebhookDelivery) =>
  deliveredAt || deadAt ? null : nextAttemptAt

export const createWebhookEndpoint = payload(
  async ({ input }: { input: { projectId: string; url: string; events: string[] } }, { app, viewer }) =>
    webhooks.createWebhookEndpoint(app, viewer, {
      ...input,
      projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
    }),
)

export const deleteWebhookEndpoint = payload(
  async ({ input }: { input: { webhookEndpointId: string } }, { app, viewer }) => {
    const ref = decodeId('WebhookEndpoint', input.webhookEndpointId, 'input', 'webhookEndpointId')
    await webhooks.deleteWebhookEndpoint(app, viewer, ref)
    return { deletedId: input.webhookEndpointId }
  },
)

export const replayWebhookDeliveries = payload(
  async ({ input }: { input: { webhookEndpointId: string; idempotencyKey: string } }, { app, viewer }) =>
    webhooks.replayWebhookDeliveries(app, viewer, {
      ...decodeId('WebhookEndpoint', input.webhookEndpointId, 'input', 'webhookEndpointId'),
      idempotencyKey: input.idempotencyKey,
    }),
)
