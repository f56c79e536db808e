import { expect, it } from 'vitest'
import { createRng } from '../../src/engine/rng.ts'
import type { Rng } from '../../src/engine/types.ts'
import { checkChange, type DecisionChange, namedItems } from '../../src/services/decision-change.ts'
import { type DecisionState, type Plan, planDecision } from '../../src/services/decision-plan.ts'
import { DomainError } from '../../src/services/errors.ts'
import { planRevert } from '../../src/services/revert-plan.ts'
import {
  createModel,
  findBroken,
  type LedgerModel,
  makeId,
  readModel,
  stateOf,
  writeModel,
} from '../support/ledger-model.ts'

const SEEDS = 150
const STEPS = 60

const pickFrom = <T>(rng: Rng, values: readonly T[]): T => values[rng.int(values.length)] as T

/** A change of any kind, sensible or not. */
function randomChange(model: LedgerModel, rng: Rng): DecisionChange {
  const item = () => pickFrom(rng, model.items)
  const some = (most: number) => [...new Set(Array.from({ length: 1 + rng.int(most) }, item))]
  const live = [...model.identities]
    .filter(([, { state }]) => state !== 'MERGED' && state !== 'DISSOLVED')
    .map(([id]) => id)
  const identityId = pickFrom(rng, rng.next() < 0.95 && live.length > 0 ? live : [...model.identities.keys()])
  const own = [...model.homes].filter(([, home]) => home.identityId === identityId).map(([itemId]) => itemId)
  const kinds: (() => DecisionChange)[] = [
    () => ({
      merge: { intoIdentityId: identityId, fromIdentityIds: [pickFrom(rng, live.length > 0 ? live : [identityId])] },
    }),
    () => ({ split: { identityId, itemIds: own.filter(() => rng.next() < 0.4), keepTogether: rng.next() < 0.5 } }),
    () => ({ move: { itemIds: some(3), toIdentityId: rng.next() < 0.6 ? identityId : null } }),
    () => ({ link: { leftItemId: item(), rightItemId: item() } }),
    () => ({ separate: { leftItemId: item(), rightItemId: item(), leavingItemIds: some(3) } }),
    () => ({ confirm: { identityId } }),
    () => ({ rename: { identityId, name: `name ${rng.int(100)}` } }),
    () => (rng.next() < 0.4 ? { lock: { identityId } } : { confirm: { identityId } }),
    () => (rng.next() < 0.3 ? { exclude: { itemIds: some(2) } } : { move: { itemIds: some(1), toIdentityId: null } }),
    () =>
      rng.next() < 0.3
        ? { dissolve: { identityId } }
        : { split: { identityId, itemIds: own.slice(0, 1), keepTogether: true } },
  ]
  return pickFrom(rng, kinds)()
}

const isSensible = (change: DecisionChange): boolean => {
  if ('link' in change) return change.link.leftItemId !== change.link.rightItemId
  if ('separate' in change) return change.separate.leftItemId !== change.separate.rightItemId
  return true
}

function attempt(state: DecisionState, change: DecisionChange, id: () => string): Plan | DomainError {
  try {
    checkChange(change, ['input'])
    return planDecision(state, change, id)
  } catch (error) {
    if (error instanceof DomainError) return error
    throw error
  }
}

/** A run moves a group that nobody has placed, as publishing may. */
function publishGuess(model: LedgerModel, rng: Rng): void {
  const target = pickFrom(rng, [...model.identities.entries()])
  const [to, { state }] = target
  if (state !== 'PROPOSED' && state !== 'CONFIRMED') return
  const first = pickFrom(rng, model.items)
  const group = new Set([first])
  for (let size = 0; size !== group.size; ) {
    size = group.size
    for (const { kind, leftItemId, rightItemId } of model.statements) {
      if (kind !== 'MUST_LINK' || !rightItemId) continue
      if (group.has(leftItemId) || group.has(rightItemId)) group.add(leftItemId).add(rightItemId)
    }
  }
  const excluded = new Set(model.statements.filter(({ kind }) => kind === 'EXCLUDED').map((s) => s.leftItemId))
  const moving = [...group].filter((itemId) => !excluded.has(itemId))
  const isLoose = moving.every((itemId) => {
    const home = model.homes.get(itemId)
    return !home || (home.source === 'MODEL' && model.identities.get(home.identityId)?.state !== 'LOCKED')
  })
  const isBarred = model.statements.some(({ kind, leftItemId, rightItemId }) => {
    if (kind !== 'CANNOT_LINK' || !rightItemId) return false
    const inside = (itemId: string) => moving.includes(itemId) || model.homes.get(itemId)?.identityId === to
    return inside(leftItemId) && inside(rightItemId)
  })
  if (!isLoose || isBarred) return
  for (const itemId of moving) model.homes.set(itemId, { identityId: to, source: 'MODEL' })
}

const placesOf = (model: LedgerModel) => ({
  homes: [...model.homes].map(([itemId, { identityId, source }]) => `${itemId} ${identityId} ${source}`).sort(),
  identities: [...model.identities]
    .filter(([, { state }]) => state !== 'DISSOLVED' && state !== 'MERGED')
    .map(([id, { state, name }]) => `${id} ${state} ${name}`)
    .sort(),
})

/**
 * Each stored statement of a refusal is needed: all of them together forbid the change, and all but any one allow it. Who
 * is excluded stays a fact, unless that is what the refusal is about.
 */
function checkMinimal(state: DecisionState, change: DecisionChange, ids: readonly string[]): void {
  const isAboutExclusion = state.statements.some(({ id, kind }) => kind === 'EXCLUDED' && ids.includes(id as string))
  const named = new Set(isAboutExclusion ? namedItems(change) : [])
  let made = 0
  const codeWith = (kept: readonly string[]) => {
    const statements = state.statements.filter(
      ({ id, kind, leftItemId }) => kept.includes(id as string) || (kind === 'EXCLUDED' && !named.has(leftItemId)),
    )
    const outcome = attempt({ ...state, statements }, change, () => `new ${made++}`)
    return outcome instanceof DomainError ? outcome.code : 'allowed'
  }
  expect(codeWith(ids)).toBe('CONSTRAINT_CONFLICT')
  for (const left of ids) expect(codeWith(ids.filter((id) => id !== left))).not.toBe('CONSTRAINT_CONFLICT')
}

it(`${(SEEDS * STEPS).toLocaleString('en')} random decisions of every kind: none is ever broken, refusals are minimal, undo restores`, () => {
  const count = { applied: 0, refused: 0, minimal: 0, larger: 0, undone: 0, blocked: 0, guesses: 0 }
  const kinds = new Map<string, number>()
  for (let seed = 1; seed <= SEEDS; seed++) {
    const rng = createRng(seed)
    const model = createModel([4, 3, 3, 2, 2], 4)
    for (let step = 0; step < STEPS; step++) {
      if (rng.next() < 0.15) {
        publishGuess(model, rng)
        count.guesses++
        expect(findBroken(model)).toEqual([])
      }
      const last = model.decisions.findLast(({ isUndone }) => !isUndone)
      if (rng.next() < 0.12 && last) {
        // Any decision may be asked for: an older one is blocked by what stands on it.
        const chosen = rng.next() < 0.5 ? last : pickFrom(rng, model.decisions)
        if (chosen.isUndone || chosen.id.startsWith('undo')) continue
        const at = model.decisions.indexOf(chosen)
        const isBlocked = model.decisions
          .slice(at + 1)
          .some((later) => !later.isUndone && [...later.touched].some((id) => chosen.touched.has(id)))
        if (isBlocked) {
          count.blocked++
          continue
        }
        const read = readModel(
          model,
          chosen.past.identities.map(({ identityId }) => identityId),
          chosen.past.itemIds,
        )
        const own = new Set(chosen.past.constraintIds)
        const state = { ...read, statements: read.statements.filter(({ id }) => !own.has(id as string)) }
        let plan: Plan
        try {
          plan = planRevert(state, chosen.past)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CONSTRAINT_CONFLICT' })
          count.refused++
          continue
        }
        writeModel(model, plan, chosen.id)
        // An undo can not be undone, and nothing is blocked by one.
        const undo = model.decisions.at(-1)
        if (undo) undo.isUndone = true
        chosen.isUndone = true
        count.undone++
        expect(findBroken(model)).toEqual([])
        continue
      }
      const change = randomChange(model, rng)
      if (!isSensible(change)) continue
      const state = stateOf(model, change)
      const before = placesOf(model)
      const plan = attempt(state, change, makeId(model))
      if (plan instanceof DomainError) {
        count.refused++
        if (plan.code === 'CONSTRAINT_CONFLICT') {
          const ids = plan.detail.conflictingConstraintIds ?? []
          expect(ids.length).toBeGreaterThan(0)
          checkMinimal(state, change, ids)
          count.minimal++
          if (ids.length > 1) count.larger++
        }
        continue
      }
      const id = writeModel(model, plan)
      count.applied++
      const [kind = ''] = Object.keys(change)
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      expect(findBroken(model)).toEqual([])
      // Undone at once, it leaves nothing behind.
      if (rng.next() < 0.2) {
        const own = model.decisions.at(-1) as (typeof model.decisions)[number]
        const read = readModel(
          model,
          own.past.identities.map(({ identityId }) => identityId),
          own.past.itemIds,
        )
        const stated = new Set(own.past.constraintIds)
        writeModel(
          model,
          planRevert({ ...read, statements: read.statements.filter((s) => !stated.has(s.id as string)) }, own.past),
          id,
        )
        own.isUndone = true
        const undo = model.decisions.at(-1)
        if (undo) undo.isUndone = true
        count.undone++
        expect(placesOf(model)).toEqual(before)
        expect(findBroken(model)).toEqual([])
      }
    }
  }
  console.log(
    `ledger plans: ${count.applied} decisions applied (${[...kinds].map(([kind, n]) => `${kind} ${n}`).join(', ')}), ` +
      `${count.refused} refused, ${count.minimal} of them with a set shown to be minimal (${count.larger} of two and more), ` +
      `${count.undone} undone, ${count.blocked} blocked, ${count.guesses} guesses of runs between them: 0 violations`,
  )
  expect([...kinds.values()].every((n) => n > 100)).toBe(true)
  expect(count.larger).toBeGreaterThan(20)
})
