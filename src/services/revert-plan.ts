import type { IdentityState, MembershipSource } from '../generated/prisma/client.ts'
import { ConstraintClosure } from './constraint-closure.ts'
import { type DecisionState, emptyPlan, finishPlan, type Plan, placesAfter } from './decision-plan.ts'

/** What a decision did, as the ledger has kept it. */
export interface Past {
  readonly events: readonly {
    readonly itemId: string
    readonly fromIdentityId: string | null
    readonly fromSource: MembershipSource | null
    readonly toIdentityId: string | null
  }[]
  readonly identities: readonly {
    readonly identityId: string
    /** Null for an identity that the decision made. */
    readonly stateBefore: IdentityState | null
    readonly stateAfter: IdentityState
    readonly nameBefore: string | null
    readonly nameAfter: string | null
  }[]
  readonly constraintIds: readonly string[]
  /** Every item that it moved or said something about. */
  readonly itemIds: readonly string[]
}

/**
 * Computes the inverse of a decision on the state of today, in which its own statements are revoked already. Pure.
 *
 * Items go back to where it took them from, unless a run has moved them since; identities that it made are dissolved, and
 * what a run has put into them since is free; what a run has put where it may no longer be, now that somebody comes back,
 * is free as well.
 *
 * @throws DomainError CONSTRAINT_CONFLICT when human statements leave no place for what comes back
 */
export function planRevert(state: DecisionState, { events, identities }: Past): Plan {
  const plan = emptyPlan('REVERT')
  const move = (itemId: string, toIdentityId: string | null, source: MembershipSource | null) =>
    plan.moves.push({ itemId, toIdentityId, source })
  for (const { itemId, fromIdentityId, fromSource, toIdentityId } of events) {
    const now = state.members.get(itemId)?.identityId ?? null
    if (now === toIdentityId && !state.erased.has(itemId) && state.items.has(itemId))
      move(itemId, fromIdentityId, fromSource)
  }
  const moved = new Set(plan.moves.map(({ itemId }) => itemId))
  for (const { identityId, stateBefore, nameBefore, nameAfter } of identities) {
    plan.touched.add(identityId)
    plan.identityChanges.set(identityId, {
      // One that the decision made goes with it.
      state: stateBefore ?? 'DISSOLVED',
      mergedIntoId: null,
      ...(nameBefore !== nameAfter && { name: nameBefore }),
    })
    if (stateBefore !== null) continue
    for (const { itemId, identityId: home } of state.members.values()) {
      if (home === identityId && !moved.has(itemId)) move(itemId, null, null)
    }
  }
  freeGuesses(state, plan)
  finishPlan(state, plan)
  dissolveEmpty(state, plan)
  return plan
}

/** A guess of a run yields to a human statement: one end of a cannot-link that would be together again leaves. */
function freeGuesses(state: DecisionState, plan: Plan): void {
  const placeOf = placesAfter(state, plan)
  const closure = new ConstraintClosure(state.statements)
  const comesBack = new Set(plan.moves.map(({ itemId }) => itemId))
  const free = new Set<string>()
  for (const { kind, leftItemId, rightItemId } of state.statements) {
    if (kind !== 'CANNOT_LINK' || !rightItemId) continue
    const place = placeOf(leftItemId)
    if (!place || place !== placeOf(rightItemId)) continue
    const guess = [leftItemId, rightItemId].find(
      (itemId) => !comesBack.has(itemId) && state.members.get(itemId)?.source === 'MODEL',
    )
    if (guess) for (const mate of closure.matesOf(guess)) if (placeOf(mate) === place) free.add(mate)
  }
  for (const itemId of free) plan.moves.push({ itemId, toIdentityId: null, source: null })
}

/** A proposed identity that a run has emptied meanwhile does not come back without members. */
function dissolveEmpty(state: DecisionState, plan: Plan): void {
  const placeOf = placesAfter(state, plan)
  const items = [...state.members.keys(), ...plan.moves.map(({ itemId }) => itemId)]
  const inhabited = new Set(items.map(placeOf))
  for (const [id, change] of plan.identityChanges) {
    if (change.state === 'PROPOSED' && !inhabited.has(id))
      plan.identityChanges.set(id, { ...change, state: 'DISSOLVED' })
  }
}
