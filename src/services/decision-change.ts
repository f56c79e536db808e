import { invalid } from './errors.ts'

/**
 * What a person can decide. The first four are the API's DecisionChange; `link`, `separate` and `sort` are answers of the
 * review queue; the rest are updates of one identity.
 */
export type DecisionChange =
  | { merge: { intoIdentityId: string; fromIdentityIds: string[] } }
  | { split: { identityId: string; itemIds: string[]; keepTogether: boolean } }
  | { move: { itemIds: string[]; toIdentityId: string | null } }
  | { exclude: { itemIds: string[] } }
  | { link: { leftItemId: string; rightItemId: string } }
  | { separate: { leftItemId: string; rightItemId: string; leavingItemIds: string[] } }
  | { sort: { anchorItemId: string; memberItemIds: string[]; outlierItemIds: string[] } }
  | { confirm: { identityId: string } }
  | { lock: { identityId: string } }
  | { rename: { identityId: string; name: string } }
  | { dissolve: { identityId: string } }

export const MAX_ITEMS = 250
export const MAX_MERGED = 50

function checkIds(what: string, ids: readonly string[], most: number, path: string[]): void {
  if (ids.length < 1 || ids.length > most)
    throw invalid(`${what} must have 1 to ${most} entries: got ${ids.length}`, ...path)
  if (new Set(ids).size < ids.length) throw invalid(`${what} must not repeat an entry`, ...path)
}

/** Refuses changes that are empty, too large or say the same thing twice; `of` is where the caller gave them. */
export function checkChange(change: DecisionChange, of: readonly string[]): void {
  const path = [...of, 'change']
  if ('merge' in change) {
    const { intoIdentityId, fromIdentityIds } = change.merge
    checkIds('fromIdentityIds', fromIdentityIds, MAX_MERGED, [...path, 'merge', 'fromIdentityIds'])
    if (fromIdentityIds.includes(intoIdentityId)) {
      throw invalid('an identity can not be merged into itself', ...path, 'merge', 'fromIdentityIds')
    }
  } else if ('split' in change) checkIds('itemIds', change.split.itemIds, MAX_ITEMS, [...path, 'split', 'itemIds'])
  else if ('move' in change) checkIds('itemIds', change.move.itemIds, MAX_ITEMS, [...path, 'move', 'itemIds'])
  else if ('exclude' in change) checkIds('itemIds', change.exclude.itemIds, MAX_ITEMS, [...path, 'exclude', 'itemIds'])
}

/** Identities that a change names. */
export function namedIdentities(change: DecisionChange): string[] {
  if ('merge' in change) return [change.merge.intoIdentityId, ...change.merge.fromIdentityIds]
  if ('split' in change) return [change.split.identityId]
  if ('move' in change) return change.move.toIdentityId ? [change.move.toIdentityId] : []
  if ('confirm' in change) return [change.confirm.identityId]
  if ('lock' in change) return [change.lock.identityId]
  if ('rename' in change) return [change.rename.identityId]
  if ('dissolve' in change) return [change.dissolve.identityId]
  return []
}

/** Items that a change names. */
export function namedItems(change: DecisionChange): string[] {
  if ('split' in change) return change.split.itemIds
  if ('move' in change) return change.move.itemIds
  if ('exclude' in change) return change.exclude.itemIds
  if ('link' in change) return [change.link.leftItemId, change.link.rightItemId]
  if ('separate' in change) {
    const { leftItemId, rightItemId, leavingItemIds } = change.separate
    return [...new Set([leftItemId, rightItemId, ...leavingItemIds])]
  }
  if ('sort' in change) {
    const { anchorItemId, memberItemIds, outlierItemIds } = change.sort
    return [...new Set([anchorItemId, ...memberItemIds, ...outlierItemIds])]
  }
  return []
}
