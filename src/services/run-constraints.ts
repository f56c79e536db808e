import type { Constraints } from '../engine/index.ts'
import type { Constraint } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'

/** Active constraints at one revision of the ledger. */
export interface LedgerSnapshot {
  readonly ledgerRevision: number
  readonly constraints: Constraint[]
}

/** What people have decided so far, read at one moment: head and constraints belong together. */
export function readLedger(app: App, projectId: string): Promise<LedgerSnapshot> {
  return app.prisma.$transaction(
    async (tx: Tx) => {
      const { ledgerRevision } = await tx.project.findUniqueOrThrow({ where: { id: projectId } })
      const constraints = await tx.constraint.findMany({ where: { projectId, revokedById: null } })
      return { ledgerRevision, constraints }
    },
    { isolationLevel: 'RepeatableRead', timeout: 60_000 },
  )
}

/** The constraints among the given items, as pairs of their indices; those that name another item are left out. */
export function compileConstraints(constraints: readonly Constraint[], itemIds: readonly string[]): Constraints {
  const indexOf = new Map(itemIds.map((id, index) => [id, index]))
  const mustLinks: number[] = []
  const cannotLinks: number[] = []
  const excluded: number[] = []
  for (const { kind, leftItemId, rightItemId } of constraints) {
    const left = indexOf.get(leftItemId)
    const right = rightItemId ? indexOf.get(rightItemId) : undefined
    if (left === undefined) continue
    if (kind === 'EXCLUDED') excluded.push(left)
    else if (right !== undefined) (kind === 'MUST_LINK' ? mustLinks : cannotLinks).push(left, right)
  }
  return {
    mustLinks: Int32Array.from(mustLinks),
    cannotLinks: Int32Array.from(cannotLinks),
    excluded: Int32Array.from(excluded),
  }
}
