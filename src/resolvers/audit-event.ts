import type { AuditEvent, Project } from '../generated/prisma/client.ts'
import { listAuditEvents } from '../services/audit.ts'
import { byId, type PageArgs, pageOf } from './connection.ts'
import type { Context } from './context.ts'
import { encodeId, encodeRoot } from './global-id.ts'
import { findNode } from './node.ts'

export const id = (event: AuditEvent) => encodeId('AuditEvent', event)

export const actor = ({ actorId }: AuditEvent, _args: unknown, { load }: Context) =>
  actorId ? load.user.load(actorId) : null

/** Null for what is gone, and for what the viewer may not see. */
export function target({ projectId, targetType: type, targetId }: AuditEvent, _args: unknown, context: Context) {
  if (!type || !targetId) return null
  const isRoot = type === 'User' || type === 'Project'
  return findNode(isRoot ? encodeRoot(type, targetId) : encodeId(type as never, { projectId, id: targetId }), context)
}

export async function projectAuditEvents({ id }: Project, args: PageArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  return byId(page, await listAuditEvents(app, viewer, id, page))
}
