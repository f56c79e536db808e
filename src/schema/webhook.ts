import * as resolve from '../resolvers/webhook.ts'
import {
  booleanArg,
  connectionTypes,
  extendType,
  inputArg,
  inputObjectType,
  objectType,
  pageArgs,
  payloadType,
  prismaRow,
} from './nexus.ts'

const WebhookEndpoint = objectType({
  name: 'WebhookEndpoint',
  description: 'A webhook.',
  sourceType: prismaRow('WebhookEndpoint'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.endpointId })
    t.nonNull.field('url', { type: 'URL', description: 'Address.' })
    t.nonNull.list.nonNull.string('events', { description: 'Events it gets.' })
    t.nonNull.int('deadLetterCount', {
      description: 'Deliveries that failed for good.',
      resolve: resolve.deadLetterCount,
    })
    t.nonNull.field('deliveries', {
      type: 'WebhookDeliveryConnection',
      description: 'What was sent to it, newest first.',
      args: { ...pageArgs(), isDead: booleanArg({ description: 'Only those that failed for good, or only others.' }) },
      resolve: resolve.deliveries,
    })
  },
})

const WebhookDelivery = objectType({
  name: 'WebhookDelivery',
  description: 'One event on its way to one webhook.',
  sourceType: prismaRow('WebhookDelivery'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.deliveryId })
    t.nonNull.string('event', { description: 'Event.' })
    t.field('auditEvent', {
      type: 'AuditEvent',
      description: 'What it tells of.',
      resolve: resolve.deliveryEvent as never,
    })
    t.nonNull.int('attempts', { description: 'Attempts so far.' })
    t.field('nextAttemptAt', {
      type: 'DateTime',
      description: 'Next attempt; null when there is none.',
      resolve: resolve.nextAttemptAt,
    })
    t.field('deliveredAt', { type: 'DateTime', description: 'When the receiver took it.' })
    t.field('deadAt', { type: 'DateTime', description: 'When it failed for good.' })
    t.string('lastError', { description: 'What went wrong last.' })
    t.nonNull.field('createdAt', { type: 'DateTime', description: 'When the event happened.' })
  },
})

export const webhookTypes = [
  WebhookEndpoint,
  WebhookDelivery,
  ...connectionTypes({
    node: 'WebhookDelivery',
    page: 'Page of deliveries.',
    edge: 'Delivery with its cursor.',
    nodeDescription: 'Delivery.',
  }),
  extendType({
    type: 'Project',
    definition(t) {
      t.nonNull.list.nonNull.field('webhookEndpoints', {
        type: 'WebhookEndpoint',
        description: 'Webhooks; ADMIN only.',
        resolve: resolve.projectEndpoints,
      })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('createWebhookEndpoint', {
        type: 'CreateWebhookEndpointPayload',
        description: 'Register a webhook; the signing secret is in this answer only.',
        args: inputArg('CreateWebhookEndpointInput'),
        resolve: resolve.createWebhookEndpoint,
      })
      t.nonNull.field('deleteWebhookEndpoint', {
        type: 'DeleteWebhookEndpointPayload',
        description: 'Remove a webhook.',
        args: inputArg('DeleteWebhookEndpointInput'),
        resolve: resolve.deleteWebhookEndpoint,
      })
      t.nonNull.field('replayWebhookDeliveries', {
        type: 'ReplayWebhookDeliveriesPayload',
        description: 'Send what failed for good once more.',
        args: inputArg('ReplayWebhookDeliveriesInput'),
        resolve: resolve.replayWebhookDeliveries,
      })
    },
  }),
  inputObjectType({
    name: 'CreateWebhookEndpointInput',
    description: 'New webhook.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.nonNull.field('url', {
        type: 'URL',
        description: 'Address; private networks are refused unless allowed in the configuration.',
      })
      t.nonNull.list.nonNull.string('events', { description: 'Events.' })
    },
  }),
  payloadType('CreateWebhookEndpointPayload', 'Webhook made.', (t) => {
    t.field('webhookEndpoint', { type: 'WebhookEndpoint', description: 'Webhook.' })
    t.string('signingSecret', { description: 'Signing secret, shown once.' })
  }),
  inputObjectType({
    name: 'DeleteWebhookEndpointInput',
    description: 'Remove a webhook.',
    definition(t) {
      t.nonNull.id('webhookEndpointId', { description: 'Webhook.' })
    },
  }),
  payloadType('DeleteWebhookEndpointPayload', 'Webhook removed.', (t) => {
    t.id('deletedId', { description: 'Id of what was removed.' })
  }),
  inputObjectType({
    name: 'ReplayWebhookDeliveriesInput',
    description: 'Send dead letters again.',
    definition(t) {
      t.nonNull.id('webhookEndpointId', { description: 'Webhook.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('ReplayWebhookDeliveriesPayload', 'Dead letters queued again.', (t) => {
    t.field('webhookEndpoint', { type: 'WebhookEndpoint', description: 'Webhook.' })
    t.int('replayedCount', { description: 'How many are sent again.' })
  }),
]
