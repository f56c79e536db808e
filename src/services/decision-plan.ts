import type { DecisionKind, IdentityState, MembershipSource } from '../generated/prisma/client.ts'
import { ConstraintClosure, type Statement, smallest } from './constraint-closure.ts'
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
  /** Active statements that reach any of these items, through must-links also those that reach them from afar. */
  readonly statements: readonly Statement[]
  /** Where items are that must be with these and are none of them: the identity, or null for free ones. */
  readonly others: ReadonlyMap<string, string | null>
  /** Of the items that statements name: those that were erased. As excluded ones they are no subject. */
  readonly erased: ReadonlySet<string>
}

export interface Move {
  readonly itemId: string
  readonly toIdentityId: string | null
  readonly source: MembershipSource | null
}

export interface IdentityChange {
  state?: IdentityState
  name?: string | null
  mergedIntoId?: string | null
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

export const emptyPlan = (kind: DecisionKind): Plan => ({
  kind,
  moves: [],
  newIdentities: [],
  identityChanges: new Map(),
  statements: [],
  touched: new Set(),
})

/**
 * Computes what a change does to the state: memberships, identities and the statements it compiles to. Pure.
 *
 * @param makeId ids for new identities, in a fixed order, so that a preview and its application agree.
 * @throws DomainError CONSTRAINT_CONFLICT with a minimal set of active statements that forbid it; NOT_FOUND;
 *   INVALID_STATE; INVALID
 */
export function planDecision(state: DecisionState, change: DecisionChange, makeId: () => string): Plan {
  const plan = emptyPlan('MOVE')
  const kind = new PlanBuilder(state, plan, makeId).build(change)
  const result = { ...plan, kind }
  finishPlan(state, result)
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
    if ('sort' in change) return this.#sort(change.sort)
    if ('confirm' in change) return this.#confirm(change.confirm.identityId)
    if ('lock' in change) return this.#change(change.lock.identityId, { state: 'LOCKED' }, 'LOCK')
    if ('rename' in change) return this.#change(change.rename.identityId, { name: change.rename.name }, 'RENAME')
    return this.#dissolve(change.dissolve.identityId)
  }

  #live(id: string): IdentityFacts {
    const identity = this.state.identities.get(id)
    if (!identity) throw notFound('identity', id)
    if (identity.state === 'MERGED' || identity.state === 'DISSOLVED') {
      throw new DomainError(
        'INVALID_STATE',
        `${identity.name ? `identity ${identity.name}` : 'the identity'} is ${identity.state}: reload it`,
      )
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
    for (const [at, itemId] of itemIds.entries()) {
      if (this.#memberOf(itemId)?.identityId !== identityId) {
        const which = `item ${at + 1} of ${itemIds.length}`
        throw new DomainError('INVALID', `${which} is not a member of this identity: reload it`, {
          path: ['input', 'decision', 'change', 'split', 'itemIds', String(at)],
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
    for (const [at, itemId] of itemIds.entries()) {
      const from = this.#memberOf(itemId)
      if (from && from.identityId === target) {
        throw new DomainError('INVALID', `item ${at + 1} of ${itemIds.length} is in this identity already`, {
          path: ['input', 'decision', 'change', 'move', 'itemIds', String(at)],
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

  /** Some items belong with the anchor, others do not: those leave its identity, each on its own. */
  #sort({
    anchorItemId,
    memberItemIds,
    outlierItemIds,
  }: {
    anchorItemId: string
    memberItemIds: string[]
    outlierItemIds: string[]
  }): DecisionKind {
    const anchor = this.#memberOf(anchorItemId)
    if (anchor) {
      this.#live(anchor.identityId)
      this.#place(anchorItemId, anchor.identityId, 'HUMAN')
    }
    for (const itemId of memberItemIds) {
      // Whoever has left since the question was made is where a later decision put them.
      if (!anchor || this.#memberOf(itemId)?.identityId !== anchor.identityId) continue
      this.#place(itemId, anchor.identityId, 'HUMAN')
      this.plan.statements.push(must(anchorItemId, itemId))
    }
    for (const itemId of outlierItemIds) {
      const from = this.#memberOf(itemId)
      if (anchor && from?.identityId === anchor.identityId) this.#place(itemId, null, null)
      this.plan.statements.push(cannot(itemId, anchorItemId))
    }
    return outlierItemIds.length > 0 ? 'SPLIT' : 'CONFIRM'
  }

  #confirm(identityId: string): DecisionKind {
    this.#live(identityId)
    const members = this.#membersOf(identityId)
    const anchor = anchorOf(members)
    for (const { itemId } of members) {
      this.#place(itemId, identityId, 'HUMAN')
      if (anchor && itemId !== anchor) this.plan.statements.push(must(anchor, itemId))
    }
    // The state that was asked for: a locked identity is unlocked by it.
    this.plan.identityChanges.set(identityId, { state: 'CONFIRMED' })
    return 'CONFIRM'
  }

  #dissolve(identityId: string): DecisionKind {
    this.#live(identityId)
    for (const { itemId } of this.#membersOf(identityId)) this.#place(itemId, null, null)
    this.plan.identityChanges.set(identityId, { state: 'DISSOLVED' })
    return 'SPLIT'
  }
}

/**
 * Ends a plan: free items that must be with one that was placed follow it, must-links that active ones say already are left
 * out, and what contradicts the ledger is refused as a whole.
 */
export function finishPlan(state: DecisionState, plan: Plan): void {
  // What the change states itself is free of charge: a refusal names stored statements only.
  const closure = new ConstraintClosure([...plan.statements, ...state.statements])
  const followers = followMates(state, plan, closure)
  const conflicts = [
    findExcluded(plan, closure),
    closure.findContradiction(),
    findParted(state, plan, closure, followers),
  ]
  const smallestConflict = smallest(conflicts.filter((set) => set !== undefined))
  if (smallestConflict) throw conflict(smallestConflict)
  // Whoever repeats a must-link touches its identity, so that undoing the first asks for undoing this one before. Other
  // statements may concern free items: each decision keeps its own.
  const known = new Set(state.statements.filter(({ kind }) => kind === 'MUST_LINK').map(keyOf))
  const fresh = plan.statements.filter((statement) => {
    const key = keyOf(statement)
    if (known.has(key)) return false
    known.add(key)
    return true
  })
  plan.statements.splice(0, plan.statements.length, ...fresh)
}

/** Where an item is after the plan; undefined where the state does not say. */
export function placesAfter(
  { members, others, items }: DecisionState,
  plan: Plan,
): (itemId: string) => string | null | undefined {
  const moved = new Map(plan.moves.map(({ itemId, toIdentityId }) => [itemId, toIdentityId]))
  return (itemId) => {
    const to = moved.get(itemId)
    if (to !== undefined) return to
    const member = members.get(itemId)
    if (member) return member.identityId
    const other = others.get(itemId)
    return other === undefined && items.has(itemId) ? null : other
  }
}

/** Neither excluded nor erased items are together with anything, or apart. */
const isAbsent = (state: DecisionState, closure: ConstraintClosure, itemId: string): boolean =>
  closure.isExcluded(itemId) || state.erased.has(itemId)

/** Free items that must be with a placed one go where it goes: IMPLIED, for nobody has said where they are. */
function followMates(state: DecisionState, plan: Plan, closure: ConstraintClosure): Set<string> {
  const followers = new Set<string>()
  const moved = new Set(plan.moves.map(({ itemId }) => itemId))
  for (const { itemId, toIdentityId } of [...plan.moves]) {
    if (toIdentityId === null || isAbsent(state, closure, itemId)) continue
    for (const mate of closure.matesOf(itemId)) {
      if (moved.has(mate) || state.members.has(mate) || state.others.get(mate) || isAbsent(state, closure, mate))
        continue
      moved.add(mate)
      followers.add(mate)
      plan.moves.push({ itemId: mate, toIdentityId, source: 'IMPLIED' })
    }
  }
  return followers
}

/** The exclusion of an item that the plan places or links. */
function findExcluded(plan: Plan, closure: ConstraintClosure): Statement[] | undefined {
  const linked = plan.statements.flatMap(({ kind, leftItemId, rightItemId }) =>
    kind === 'MUST_LINK' ? [leftItemId, rightItemId as string] : [],
  )
  const placed = plan.moves.flatMap(({ itemId, toIdentityId }) => (toIdentityId === null ? [] : [itemId]))
  for (const itemId of [...linked, ...placed]) {
    const exclusion = closure.exclusionOf(itemId)
    if (exclusion) return [exclusion]
  }
  return undefined
}

/**
 * Items that must be together and would not be, or that must not and would: whatever the change asked for. The smallest
 * set of statements that says so; must-links hold through items that are absent.
 */
function findParted(
  state: DecisionState,
  plan: Plan,
  closure: ConstraintClosure,
  followers: ReadonlySet<string>,
): Statement[] | undefined {
  const placeOf = placesAfter(state, plan)
  const subjectPlace = (itemId: string) => (isAbsent(state, closure, itemId) ? undefined : placeOf(itemId))
  const found: Statement[][] = []
  // Items outside the plan are where they were: only what it moves or states can part anything.
  const touched = new Set([
    ...plan.moves.map(({ itemId }) => itemId),
    ...plan.statements.flatMap(({ leftItemId, rightItemId }) => (rightItemId ? [leftItemId, rightItemId] : [])),
  ])
  const looked = new Set<string>()
  for (const itemId of touched) {
    const group = closure.groupOf(itemId)
    if (looked.has(group)) continue
    looked.add(group)
    const subjects = closure.matesOf(itemId).filter((mate) => subjectPlace(mate) !== undefined)
    if (new Set(subjects.map(subjectPlace)).size < 2) continue
    for (const mate of subjects) {
      const own = subjectPlace(mate)
      const path = closure.pathTo(mate, (other) => subjectPlace(other) !== undefined && subjectPlace(other) !== own)
      if (path) found.push(path)
    }
  }
  for (const statement of [...plan.statements, ...state.statements]) {
    if (statement.kind !== 'CANNOT_LINK') continue
    const place = subjectPlace(statement.leftItemId)
    if (!place || place !== subjectPlace(statement.rightItemId as string)) continue
    // One that only follows is there because of the must-links that lead to it.
    const reasons = [statement.leftItemId, statement.rightItemId as string].flatMap((end) =>
      followers.has(end)
        ? (closure.pathTo(end, (other) => !followers.has(other) && subjectPlace(other) === place) ?? [])
        : [],
    )
    found.push([...new Set([statement, ...reasons])])
  }
  return smallest(found)
}

const keyOf = ({ kind, leftItemId, rightItemId }: Statement): string =>
  [kind, ...[leftItemId, rightItemId ?? ''].sort()].join('/')

function conflict(statements: readonly Statement[]): DomainError {
  const ids = statements.flatMap(({ id }) => (id === undefined ? [] : [id]))
  if (ids.length === 0)
    return new DomainError('INVALID', 'this change contradicts itself: no earlier decision forbids it')
  const [what, them] =
    ids.length === 1
      ? ['an earlier human statement', 'it']
      : [`${ids.length} earlier human statements that together forbid it`, 'one of them']
  return new DomainError(
    'CONSTRAINT_CONFLICT',
    `this contradicts ${what}: undo the decision behind ${them} first, or decide otherwise`,
    {
      conflictingConstraintIds: ids,
    },
  )
}
