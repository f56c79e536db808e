import type { Constraints } from '../engine/index.ts'
import type { Constraint } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'
import { ConstraintClosure } from './constraint-closure.ts'

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

/**
 * The constraints among the given items, as pairs of their indices. Must-links hold through items that are not among
 * them, or are excluded: each group becomes a star on its first item here. Exclusion wins over links.
 */
export function compileConstraints(constraints: readonly Constraint[], itemIds: readonly string[]): Constraints {
  const closure = new ConstraintClosure(constraints)
  const indexOf = new Map(itemIds.map((id, index) => [id, index]))
  const present = (id: string | null) => (id === null || closure.isExcluded(id) ? undefined : indexOf.get(id))
  const mustLinks: number[] = []
  const cannotLinks: number[] = []
  const excluded: number[] = []
  const centres = new Map<string, number>()
  const linked = new Set(
    constraints.flatMap((c) => (c.kind === 'MUST_LINK' ? [c.leftItemId, c.rightItemId as string] : [])),
  )
  for (const id of linked) {
    const index = present(id)
    if (index === undefined) continue
    const centre = centres.get(closure.groupOf(id))
    if (centre === undefined) centres.set(closure.groupOf(id), index)
    else mustLinks.push(centre, index)
  }
  // A cannot-link holds between whole groups, also when its own ends are not here.
  const standIn = (id: string) => present(id) ?? centres.get(closure.groupOf(id))
  for (const { kind, leftItemId, rightItemId } of constraints) {
    const index = indexOf.get(leftItemId)
    if (kind === 'EXCLUDED' && index !== undefined) excluded.push(index)
    if (kind !== 'CANNOT_LINK' || closure.isExcluded(leftItemId) || closure.isExcluded(rightItemId as string)) continue
    const [left, right] = [standIn(leftItemId), standIn(rightItemId as string)]
    if (left !== undefined && right !== undefined) cannotLinks.push(left, right)
  }
  return {
    mustLinks: Int32Array.from(mustLinks),
    cannotLinks: Int32Array.from(cannotLinks),
    excluded: Int32Array.from(excluded),
  }
}
