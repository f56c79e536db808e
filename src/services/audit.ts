import type { Prisma } from '../generated/prisma/client.ts'
import type { Tx } from './app.ts'
import { newId } from './id.ts'

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
