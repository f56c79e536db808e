import { EngineError } from '../errors.ts'
import { createRng } from '../rng.ts'
import type { Labels } from '../types.ts'

export interface IdentityFolds {
  /** Labels held out in each fold, without overlap. */
  readonly folds: readonly ReadonlySet<number>[]
  /** Identities in all. */
  readonly count: number
}

/** Fewer identities with two or more images teach nothing about identities. */
export const IDENTITIES_NEEDED = 4

/** Identities that have two images or more. */
export function countTeaching(labels: Labels): number {
  const sizes = new Map<number, number>()
  for (const label of labels) if (label >= 0) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  let count = 0
  for (const size of sizes.values()) if (size > 1) count++
  return count
}

/**
 * Folds of held-out identities: each a seeded share, without overlap, with at least one that has two images on either side.
 *
 * @throws EngineError BAD_OPTION for a share outside (0, 1), no fold, or fewer than four identities with two images.
 */
export function identityFolds(labels: Labels, share: number, folds: number, seed: number): IdentityFolds {
  if (!(share > 0 && share < 1)) {
    throw new EngineError('BAD_OPTION', `heldOutShare must lie between 0 and 1: got ${share}`)
  }
  if (!Number.isInteger(folds) || folds < 1) {
    throw new EngineError('BAD_OPTION', `folds must be a positive integer: got ${folds}`)
  }
  const sizes = new Map<number, number>()
  for (const label of labels) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  const several = [...sizes].filter(([, size]) => size > 1).map(([label]) => label)
  const single = [...sizes].filter(([, size]) => size === 1).map(([label]) => label)
  if (several.length < IDENTITIES_NEEDED) {
    throw new EngineError(
      'BAD_OPTION',
      `training needs at least ${IDENTITIES_NEEDED} identities with two or more images: got ${several.length}; label more first`,
    )
  }
  const rng = createRng(seed)
  const [severalShuffled, singleShuffled] = [several, single].map((ids) => rng.shuffle(Int32Array.from(ids)))
  const eachSeveral = Math.min(several.length - 1, Math.max(1, Math.round(several.length * share)))
  const eachSingle = Math.round(single.length * share)
  const possible = Math.min(folds, Math.floor(several.length / eachSeveral))
  const part = (ids: Int32Array, fold: number, each: number) => ids.subarray(fold * each, (fold + 1) * each)
  return {
    folds: Array.from(
      { length: possible },
      (_, fold) => new Set([...part(severalShuffled, fold, eachSeveral), ...part(singleShuffled, fold, eachSingle)]),
    ),
    count: sizes.size,
  }
}
