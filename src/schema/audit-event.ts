import * as resolve from '../resolvers/audit-event.ts'
import { connectionTypes, extendType, objectType, pageArgs, prismaRow } from './nexus.ts'

const AuditEvent = objectType({
  name: 'AuditEvent',
  description: 'One append-only line of who did what.',
  sourceType: prismaRow('AuditEvent'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.id })
    t.nonNull.string('action', { description: 'Dotted verb such as decision.applied or export.created.' })
    t.field('actor', { type: 'User', description: 'Who did it; null for the system.', resolve: resolve.actor })
    t.field('target', {
      type: 'Node',
      description: 'What it was done to; null when it is gone or not for the caller to see.',
      resolve: resolve.target as never,
    })
    t.field('detail', { type: 'JSONObject', description: 'Facts of the action, such as the role given.' })
    t.nonNull.string('requestId', { description: 'Request id shared by all events of one call.' })
    t.nonNull.field('occurredAt', { type: 'DateTime', description: 'When.' })
  },
})

export const auditEventTypes = [
  AuditEvent,
  ...connectionTypes({
    node: 'AuditEvent',
    page: 'Page of audit events.',
    edge: 'Audit event with its cursor.',
    nodeDescription: 'Event.',
  }),
  extendType({
    type: 'Project',
    definition(t) {
      t.nonNull.field('auditEvents', {
        type: 'AuditEventConnection',
        description: 'Audit log, newest first; ENGINEER and above.',
        args: pageArgs(),
        resolve: resolve.projectAuditEvents,
      })
    },
  }),
]
