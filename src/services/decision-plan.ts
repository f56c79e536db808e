import type { DecisionKind, IdentityState, MembershipSource } from '../generated/prisma/client.ts'
import { ConstraintClosure, type Statement } from './constraint-closure.ts'
import type { DecisionChange } from './decision-change.ts'
import { DomainError, notFound } from './errors.ts'

export interface IdentityFacts {
  readonly id: string
  readonly state: IdentityState
  readonly name: string | null
  readonly revision: number
}

export interface MemberFacts {
  readonly itemId: string
  readonly identityId: string
  readonly source: MembershipSource
  readonly confidence: number
  readonly risk: number
}

/** The part of a project that a change can touch. */
export interface DecisionState {
  readonly identities: ReadonlyMap<string, IdentityFacts>
  /** All members of these identities. */
  readonly members: ReadonlyMap<string, MemberFacts>
  /** Items of the project that the change names, members or not. */
  readonly items: ReadonlySet<string>
  /** Active statements that reach any of these items. */
  readonly statements: readonly Statement[]
}

export interface Move {
  readonly itemId: string
  readonly toIdentityId: string | null
  readonly source: MembershipSource | null
}

export interface IdentityChange {
  state?: IdentityState
  name?: string
  mergedIntoId?: string
}

/** Everything a decision does, computed and not yet done: previewing and applying share it. */
export interface Plan {
  readonly kind: DecisionKind
  readonly moves: Move[]
  readonly newIdentities: { id: string; state: IdentityState }[]
  readonly identityChanges: Map<string, IdentityChange>
  readonly statements: Statement[]
  /** Existing identities that the decision touches. */
  readonly touched: Set<string>
}

const must = (leftItemId: string, rightItemId: string): Statement => ({ kind: 'MUST_LINK', leftItemId, rightItemId })
const cannot = (leftItemId: string, rightItemId: string): Statement => ({
  kind: 'CANNOT_LINK',
  leftItemId,
  rightItemId,
})

const SOURCE_RANK: Record<MembershipSource, number> = { HUMAN: 2, IMPLIED: 1, MODEL: 0 }
const STATE_RANK: Partial<Record<IdentityState, number>> = { LOCKED: 2, CONFIRMED: 1 }

/** What stands for a group of members: placed by people first, then most confident, then lowest id. */
function anchorOf(members: readonly MemberFacts[]): string | undefined {
  let best: MemberFacts | undefined
  for (const member of members) {
    const order = best
      ? SOURCE_RANK[member.source] - SOURCE_RANK[best.source] ||
        member.confidence - best.confidence ||
        (member.itemId < best.itemId ? 1 : -1)
      : 1
    if (order > 0) best = member
  }
  return best?.itemId
}

/**
 * Computes what a change does to the state: memberships, identities and the statements it compiles to. Pure.
 *
 * @param makeId ids for new identities, in a fixed order, so that a preview and its application agree.
 * @throws DomainError CONSTRAINT_CONFLICT with a minimal set of active statements that forbid it; NOT_FOUND;
 *   INVALID_STATE; INVALID
 */
export function planDecision(state: DecisionState, change: DecisionChange, makeId: () => string): Plan {
  const plan: Plan = {
    kind: 'MOVE',
    moves: [],
    newIdentities: [],
    identityChanges: new Map(),
    statements: [],
    touched: new Set(),
  }
  const builder = new PlanBuilder(state, plan, makeId)
  const kind = builder.build(change)
  const result = { ...plan, kind }
  checkConsistency(state, result)
  return result
}

class PlanBuilder {
  constructor(
    readonly state: DecisionState,
    readonly plan: Plan,
    readonly makeId: () => string,
  ) {}

  build(change: DecisionChange): DecisionKind {
    if ('merge' in change) return this.#merge(change.merge.intoIdentityId, change.merge.fromIdentityIds)
    if ('split' in change) return this.#split(change.split)
    if ('move' in change) return this.#move(change.move)
    if ('exclude' in change) return this.#exclude(change.exclude.itemIds)
    if ('link' in change) return this.#link(change.link)
    if ('separate' in change) return this.#separate(change.separate)
    if ('confirm' in change) return this.#confirm(change.confirm.identityId)
    if ('lock' in change) return this.#change(change.lock.identityId, { state: 'LOCKED' }, 'LOCK')
    if ('rename' in change) return this.#change(change.rename.identityId, { name: change.rename.name }, 'RENAME')
    return this.#dissolve(change.dissolve.identityId)
  }

  #live(id: string): IdentityFacts {
    const identity = this.state.identities.get(id)
    if (!identity) throw notFound('identity', id)
    if (identity.state === 'MERGED' || identity.state === 'DISSOLVED') {
      throw new DomainError('INVALID_STATE', `identity ${identity.name ?? id} is ${identity.state}: reload it`)
    }
    this.plan.touched.add(id)
    return identity
  }

  #membersOf(id: string): MemberFacts[] {
    return [...this.state.members.values()].filter((member) => member.identityId === id)
  }

  #memberOf(itemId: string): MemberFacts | undefined {
    if (!this.state.items.has(itemId) && !this.state.members.has(itemId)) throw notFound('item', itemId)
    return this.state.members.get(itemId)
  }

  /** Places an item; a member that stays where it is changes only when its source does. */
  #place(itemId: string, toIdentityId: string | null, source: MembershipSource | null): void {
    const now = this.state.members.get(itemId)
    if (now?.identityId === toIdentityId && now.source === source) return
    if (now) this.plan.touched.add(now.identityId)
    const earlier = this.plan.moves.findIndex((move) => move.itemId === itemId)
    if (earlier >= 0) this.plan.moves.splice(earlier, 1)
    this.plan.moves.push({ itemId, toIdentityId, source })
  }

  #make(state: IdentityState = 'PROPOSED'): string {
    const id = this.makeId()
    this.plan.newIdentities.push({ id, state })
    return id
  }

  #change(id: string, change: IdentityChange, kind: DecisionKind): DecisionKind {
    this.#live(id)
    this.plan.identityChanges.set(id, { ...this.plan.identityChanges.get(id), ...change })
    return kind
  }

  /** An identity whose members all leave is dissolved, unless it was merged. */
  #dissolveIfEmpty(id: string): void {
    const leaving = new Set(this.plan.moves.filter((move) => move.toIdentityId !== id).map((move) => move.itemId))
    const gains = this.plan.moves.some((move) => move.toIdentityId === id)
    if (gains || this.#membersOf(id).some((member) => !leaving.has(member.itemId))) return
    const change = this.plan.identityChanges.get(id)
    if (!change?.mergedIntoId) this.plan.identityChanges.set(id, { ...change, state: 'DISSOLVED' })
  }

  #merge(intoId: string, fromIds: readonly string[]): DecisionKind {
    this.#live(intoId)
    const anchor = anchorOf(this.#membersOf(intoId))
    if (anchor) this.#place(anchor, intoId, 'HUMAN')
    for (const fromId of fromIds) {
      this.#live(fromId)
      const members = this.#membersOf(fromId)
      const other = anchorOf(members)
      for (const { itemId, source } of members) this.#place(itemId, intoId, itemId === other ? 'HUMAN' : source)
      if (anchor && other) this.plan.statements.push(must(anchor, other))
      this.plan.identityChanges.set(fromId, { state: 'MERGED', mergedIntoId: intoId })
    }
    return 'MERGE'
  }

  #split({ identityId, itemIds, keepTogether }: { identityId: string; itemIds: string[]; keepTogether: boolean }) {
    this.#live(identityId)
    const leaving = new Set(itemIds)
    for (const itemId of itemIds) {
      if (this.#memberOf(itemId)?.identityId !== identityId) {
        throw new DomainError('INVALID', `item ${itemId} is not a member of this identity: reload it`, {
          path: ['input', 'decision', 'change', 'split', 'itemIds'],
        })
      }
    }
    const staying = this.#membersOf(identityId).filter((member) => !leaving.has(member.itemId))
    const stay = anchorOf(staying)
    if (!stay) {
      throw new DomainError('INVALID', 'a split must leave at least one member behind: all of them were named', {
        path: ['input', 'decision', 'change', 'split', 'itemIds'],
      })
    }
    this.#place(stay, identityId, 'HUMAN')
    const groups = keepTogether ? [itemIds] : itemIds.map((itemId) => [itemId])
    for (const group of groups) {
      const id = this.#make()
      const leave = anchorOf(group.map((itemId) => this.state.members.get(itemId) as MemberFacts)) as string
      for (const itemId of group) {
        this.#place(itemId, id, 'HUMAN')
        if (itemId !== leave) this.plan.statements.push(must(leave, itemId))
      }
      this.plan.statements.push(cannot(leave, stay))
    }
    return 'SPLIT' as const
  }

  #move({ itemIds, toIdentityId }: { itemIds: string[]; toIdentityId: string | null }): DecisionKind {
    const moving = new Set(itemIds)
    if (toIdentityId) this.#live(toIdentityId)
    let anchor = toIdentityId
      ? anchorOf(this.#membersOf(toIdentityId).filter((member) => !moving.has(member.itemId)))
      : undefined
    const target = toIdentityId ?? this.#make()
    if (anchor) this.#place(anchor, target, 'HUMAN')
    for (const itemId of itemIds) {
      const from = this.#memberOf(itemId)
      if (from && from.identityId === target) {
        throw new DomainError('INVALID', `item ${itemId} is in this identity already`, {
          path: ['input', 'decision', 'change', 'move', 'itemIds'],
        })
      }
      this.#place(itemId, target, 'HUMAN')
      if (anchor) this.plan.statements.push(must(anchor, itemId))
      anchor ??= itemId
      if (!from) continue
      const left = anchorOf(this.#membersOf(from.identityId).filter((member) => !moving.has(member.itemId)))
      if (left) this.plan.statements.push(cannot(itemId, left))
    }
    for (const id of [...this.plan.touched]) if (id !== target) this.#dissolveIfEmpty(id)
    return 'MOVE'
  }

  #exclude(itemIds: readonly string[]): DecisionKind {
    for (const itemId of itemIds) {
      const from = this.#memberOf(itemId)
      if (from) this.#place(itemId, null, null)
      this.plan.statements.push({ kind: 'EXCLUDED', leftItemId: itemId, rightItemId: null })
    }
    for (const id of [...this.plan.touched]) this.#dissolveIfEmpty(id)
    return 'EXCLUDE'
  }

  /** Two items are the same: their identities become one. */
  #link({ leftItemId, rightItemId }: { leftItemId: string; rightItemId: string }): DecisionKind {
    const left = this.#memberOf(leftItemId)
    const right = this.#memberOf(rightItemId)
    this.plan.statements.push(must(leftItemId, rightItemId))
    if (left && right && left.identityId === right.identityId) {
      this.#live(left.identityId)
      this.#place(leftItemId, left.identityId, 'HUMAN')
      this.#place(rightItemId, right.identityId, 'HUMAN')
      return 'CONFIRM'
    }
    if (left && right) {
      const [into, from] = this.#survivorFirst(left.identityId, right.identityId)
      this.#live(into)
      this.#live(from)
      for (const { itemId, source } of this.#membersOf(from)) this.#place(itemId, into, source)
      this.#place(leftItemId, into, 'HUMAN')
      this.#place(rightItemId, into, 'HUMAN')
      this.plan.identityChanges.set(from, { state: 'MERGED', mergedIntoId: into })
      return 'MERGE'
    }
    const known = left ?? right
    const target = known ? known.identityId : this.#make()
    if (known) this.#live(target)
    this.#place(leftItemId, target, 'HUMAN')
    this.#place(rightItemId, target, 'HUMAN')
    return 'MERGE'
  }

  /** What people named or confirmed survives, then the larger, then the older. */
  #survivorFirst(a: string, b: string): [string, string] {
    const rank = (id: string) => {
      const identity = this.state.identities.get(id)
      return [STATE_RANK[identity?.state ?? 'PROPOSED'] ?? 0, identity?.name ? 1 : 0, this.#membersOf(id).length]
    }
    const [ra, rb] = [rank(a), rank(b)]
    const first = ra.findIndex((value, i) => value !== rb[i])
    const isA = first < 0 ? a < b : (ra[first] as number) > (rb[first] as number)
    return isA ? [a, b] : [b, a]
  }

  /** Two items are different: the side of the left one leaves, except what must stay with the right one. */
  #separate({
    leftItemId,
    rightItemId,
    leavingItemIds,
  }: {
    leftItemId: string
    rightItemId: string
    leavingItemIds: string[]
  }) {
    const left = this.#memberOf(leftItemId)
    const right = this.#memberOf(rightItemId)
    this.plan.statements.push(cannot(leftItemId, rightItemId))
    if (!left || !right || left.identityId !== right.identityId) return 'SPLIT' as const
    this.#live(left.identityId)
    const closure = new ConstraintClosure(this.state.statements)
    const members = this.#membersOf(left.identityId)
    const named = new Set([leftItemId, ...leavingItemIds])
    const group = closure.groupOf(leftItemId)
    // A group that must be together leaves whole or stays whole.
    const stays = new Set(members.filter((member) => !named.has(member.itemId)).map((m) => closure.groupOf(m.itemId)))
    const leaving = members.filter((member) => {
      const own = closure.groupOf(member.itemId)
      return own === group || (named.has(member.itemId) && !stays.has(own) && own !== closure.groupOf(rightItemId))
    })
    this.#place(rightItemId, right.identityId, 'HUMAN')
    if (leaving.length === 1) {
      this.#place(leftItemId, null, null)
      return 'SPLIT' as const
    }
    const id = this.#make()
    for (const { itemId, source } of leaving) this.#place(itemId, id, itemId === leftItemId ? 'HUMAN' : source)
    return 'SPLIT' as const
  }

  #confirm(identityId: string): DecisionKind {
    const { state } = this.#live(identityId)
    const members = this.#membersOf(identityId)
    const anchor = anchorOf(members)
    for (const { itemId } of members) {
      this.#place(itemId, identityId, 'HUMAN')
      if (anchor && itemId !== anchor) this.plan.statements.push(must(anchor, itemId))
    }
    this.plan.identityChanges.set(identityId, { state: state === 'LOCKED' ? 'LOCKED' : 'CONFIRMED' })
    return 'CONFIRM'
  }

  #dissolve(identityId: string): DecisionKind {
    this.#live(identityId)
    for (const { itemId } of this.#membersOf(identityId)) this.#place(itemId, null, null)
    this.plan.identityChanges.set(identityId, { state: 'DISSOLVED' })
    return 'SPLIT'
  }
}

/** A statement that says again what an active one says is left out; one that contradicts refuses the whole plan. */
function checkConsistency(state: DecisionState, plan: Plan): void {
  const known = new Set(state.statements.map(keyOf))
  const fresh = plan.statements.filter((statement) => {
    const key = keyOf(statement)
    if (known.has(key)) return false
    known.add(key)
    return true
  })
  plan.statements.splice(0, plan.statements.length, ...fresh)
  const closure = new ConstraintClosure([...state.statements, ...fresh])
  for (const { kind, leftItemId, rightItemId } of fresh) {
    if (kind !== 'MUST_LINK') continue
    for (const itemId of [leftItemId, rightItemId]) {
      const exclusion = itemId ? closure.exclusionOf(itemId) : undefined
      if (exclusion) throw conflict([exclusion])
    }
  }
  const placed = plan.moves.filter((move) => move.toIdentityId !== null)
  for (const { itemId } of placed) {
    const exclusion = closure.exclusionOf(itemId)
    if (exclusion) throw conflict([exclusion])
  }
  const contradiction = closure.findContradiction()
  if (contradiction) throw conflict(contradiction)
  checkMemberships(state, plan, closure)
}

/** Items that must be together end in one identity, and those that must not, apart: whatever the change asked for. */
function checkMemberships(state: DecisionState, plan: Plan, closure: ConstraintClosure): void {
  const after = new Map(
    [...state.members.values()].map((member) => [member.itemId, member.identityId as string | null]),
  )
  for (const { itemId, toIdentityId } of plan.moves) after.set(itemId, toIdentityId)
  for (const statement of [...state.statements, ...plan.statements]) {
    const { kind, leftItemId, rightItemId } = statement
    if (!rightItemId || closure.isExcluded(leftItemId) || closure.isExcluded(rightItemId)) continue
    const [left, right] = [after.get(leftItemId), after.get(rightItemId)]
    // Items outside the state are where they were: only what moves can break a statement.
    if (left === undefined || right === undefined) continue
    const isTogether = left !== null && left === right
    if (kind === 'MUST_LINK' && left !== right) throw conflict([statement])
    if (kind === 'CANNOT_LINK' && isTogether) throw conflict([statement])
  }
}

const keyOf = ({ kind, leftItemId, rightItemId }: Statement): string =>
  [kind, ...[leftItemId, rightItemId ?? ''].sort()].join('/')

function conflict(statements: readonly Statement[]): DomainError {
  const ids = statements.map(({ id }) => id).filter((id) => id !== undefined)
  return new DomainError(
    'CONSTRAINT_CONFLICT',
    `this contradicts ${ids.length} earlier human decision(s): undo those first, or decide otherwise`,
    { conflictingConstraintIds: ids },
  )
}
