import type { AuditEvent, Prisma } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { newId } from './id.ts'
import { cutPage, newestFirst, type Page, type PageResult } from './page.ts'

export interface AuditLine {
  projectId: string
  /** Dotted verb such as decision.applied. */
  action: string
  /** GraphQL type and row id of what it was done to. */
  target?: [type: string, id: string]
  detail?: Prisma.InputJsonObject
}

/** Writes one append-only line of who did what, in the transaction of what they did. */
export async function recordAudit(
  tx: Tx,
  actor: { userId: string | null; requestId: string },
  { projectId, action, target, detail }: AuditLine,
): Promise<void> {
  const [targetType, targetId] = target ?? []
  await tx.auditEvent.create({
    data: {
      projectId,
      id: newId(),
      action,
      actorId: actor.userId,
      requestId: actor.requestId,
      targetType,
      targetId,
      detail,
    },
  })
}

/** ENGINEER and above. Who did what in a project, newest first. */
export async function listAuditEvents(
  app: App,
  viewer: Viewer,
  projectId: string,
  page: Page,
): Promise<PageResult<AuditEvent>> {
  await requireAccess(app, viewer, projectId, 'audit.read')
  return cutPage(await app.prisma.auditEvent.findMany(newestFirst(projectId, page)), page.first)
}
