import type { IdentityState, MembershipSource } from '../../src/generated/prisma/client.ts'
import type { Statement } from '../../src/services/constraint-closure.ts'
import { type DecisionChange, namedIdentities, namedItems } from '../../src/services/decision-change.ts'
import type { DecisionState, IdentityFacts, Plan } from '../../src/services/decision-plan.ts'
import type { Past } from '../../src/services/revert-plan.ts'

/** The ledger of a project in memory, written as simply as can be: what plans are tested against, thousands a second. */
export interface LedgerModel {
  readonly items: string[]
  readonly identities: Map<string, { state: IdentityState; name: string | null; revision: number }>
  readonly homes: Map<string, { identityId: string; source: MembershipSource }>
  /** Active ones. */
  statements: (Statement & { id: string; decisionId: string })[]
  readonly decisions: { id: string; touched: Set<string>; past: Past; isUndone: boolean }[]
  nextId: number
}

export function createModel(sizes: readonly number[], free: number): LedgerModel {
  const model: LedgerModel = {
    items: [],
    identities: new Map(),
    homes: new Map(),
    statements: [],
    decisions: [],
    nextId: 1,
  }
  for (const [i, size] of sizes.entries()) {
    model.identities.set(`I${i}`, { state: 'PROPOSED', name: null, revision: 1 })
    for (let m = 0; m < size; m++) {
      const itemId = `x${String(model.items.length).padStart(3, '0')}`
      model.items.push(itemId)
      model.homes.set(itemId, { identityId: `I${i}`, source: 'MODEL' })
    }
  }
  for (let i = 0; i < free; i++) model.items.push(`x${String(model.items.length).padStart(3, '0')}`)
  return model
}

export const makeId = (model: LedgerModel) => () => `n${model.nextId++}`

/** The part of the model that a change can touch, as services/decision-state.ts reads it from the database. */
export const stateOf = (model: LedgerModel, change: DecisionChange): DecisionState =>
  readModel(model, namedIdentities(change), namedItems(change))

export function readModel(
  model: LedgerModel,
  identityIds: readonly string[],
  itemIds: readonly string[],
): DecisionState {
  const items = new Set(itemIds)
  const homesOfItems = itemIds.flatMap((itemId) => model.homes.get(itemId)?.identityId ?? [])
  const ids = new Set([...identityIds, ...homesOfItems].filter((id) => model.identities.has(id)))
  const members = [...model.homes].filter(([, { identityId }]) => ids.has(identityId))
  const reach = new Set([...items, ...members.map(([itemId]) => itemId)])
  const within = new Set(reach)
  for (let size = 0; size !== within.size; ) {
    size = within.size
    for (const { kind, leftItemId, rightItemId } of model.statements) {
      if (kind !== 'MUST_LINK' || !rightItemId) continue
      if (within.has(leftItemId) || within.has(rightItemId)) within.add(leftItemId).add(rightItemId)
    }
  }
  const others = [...within].filter((itemId) => !reach.has(itemId))
  return {
    identities: new Map([...ids].map((id) => [id, { id, ...(model.identities.get(id) as Omit<IdentityFacts, 'id'>) }])),
    members: new Map(members.map(([itemId, home]) => [itemId, { itemId, ...home, confidence: 0, risk: 0 }])),
    items,
    statements: model.statements.filter(
      ({ leftItemId, rightItemId }) => within.has(leftItemId) || (rightItemId !== null && within.has(rightItemId)),
    ),
    others: new Map(others.map((itemId) => [itemId, model.homes.get(itemId)?.identityId ?? null])),
    erased: new Set(),
  }
}

/** Writes a plan into the model. */
export function writeModel(model: LedgerModel, plan: Plan, undone?: string): string {
  const decisionId = `d${model.nextId++}`
  const touched = new Set([
    ...plan.touched,
    ...plan.identityChanges.keys(),
    ...plan.newIdentities.map(({ id }) => id),
    ...plan.moves.flatMap(({ toIdentityId }) => toIdentityId ?? []),
  ])
  const before = new Map([...touched].map((id) => [id, model.identities.get(id)]))
  const events = plan.moves.map(({ itemId, toIdentityId }) => {
    const from = model.homes.get(itemId)
    return { itemId, fromIdentityId: from?.identityId ?? null, fromSource: from?.source ?? null, toIdentityId }
  })
  for (const { id, state } of plan.newIdentities) model.identities.set(id, { state, name: null, revision: 0 })
  for (const { itemId, toIdentityId, source } of plan.moves) {
    if (toIdentityId === null) model.homes.delete(itemId)
    else model.homes.set(itemId, { identityId: toIdentityId, source: source as MembershipSource })
  }
  for (const id of touched) {
    const { state, name } = plan.identityChanges.get(id) ?? {}
    const now = model.identities.get(id) as { state: IdentityState; name: string | null; revision: number }
    model.identities.set(id, {
      state: state ?? now.state,
      name: name === undefined ? now.name : name,
      revision: now.revision + 1,
    })
  }
  const added = plan.statements.map((statement) => ({ ...statement, id: `s${model.nextId++}`, decisionId }))
  model.statements = [...model.statements.filter((statement) => statement.decisionId !== undone), ...added]
  const past: Past = {
    events,
    identities: [...touched].map((identityId) => {
      const now = model.identities.get(identityId) as { state: IdentityState; name: string | null }
      const old = before.get(identityId)
      return {
        identityId,
        stateBefore: old?.state ?? null,
        stateAfter: now.state,
        nameBefore: old?.name ?? null,
        nameAfter: now.name,
      }
    }),
    constraintIds: added.map(({ id }) => id),
    itemIds: [
      ...new Set([
        ...events.map(({ itemId }) => itemId),
        ...added.flatMap(({ leftItemId, rightItemId }) => (rightItemId ? [leftItemId, rightItemId] : [leftItemId])),
      ]),
    ],
  }
  model.decisions.push({ id: decisionId, touched, past, isUndone: false })
  return decisionId
}

/** Everything that must hold at any time, and does not. */
export function findBroken(model: LedgerModel): string[] {
  const broken: string[] = []
  const excluded = new Set(model.statements.filter(({ kind }) => kind === 'EXCLUDED').map((s) => s.leftItemId))
  for (const { kind, leftItemId: left, rightItemId: right } of model.statements) {
    const [a, b] = [model.homes.get(left)?.identityId, right ? model.homes.get(right)?.identityId : undefined]
    if (kind === 'EXCLUDED' && a) broken.push(`${left} is excluded and in ${a}`)
    if (!right || excluded.has(left) || excluded.has(right)) continue
    if (kind === 'MUST_LINK' && a !== b) broken.push(`${left} in ${a} and ${right} in ${b} must be together`)
    if (kind === 'CANNOT_LINK' && a && a === b) broken.push(`${left} and ${right} must not both be in ${a}`)
  }
  // Through items that are excluded, must-links hold as well.
  const groups = new Map<string, string>()
  const rootOf = (item: string): string => {
    const up = groups.get(item)
    return up === undefined ? item : rootOf(up)
  }
  for (const { kind, leftItemId, rightItemId } of model.statements) {
    if (kind !== 'MUST_LINK' || !rightItemId) continue
    const [a, b] = [rootOf(leftItemId), rootOf(rightItemId)]
    if (a !== b) groups.set(a, b)
  }
  const placeOf = new Map<string, string | undefined>()
  for (const item of model.items) {
    if (excluded.has(item)) continue
    const [root, place] = [rootOf(item), model.homes.get(item)?.identityId]
    if (placeOf.has(root) && placeOf.get(root) !== place) broken.push(`the group of ${item} is in several places`)
    placeOf.set(root, place)
  }
  for (const [itemId, { identityId }] of model.homes) {
    const state = model.identities.get(identityId)?.state
    if (!state || state === 'MERGED' || state === 'DISSOLVED')
      broken.push(`${itemId} is in ${identityId}, which is ${state}`)
  }
  return broken
}
