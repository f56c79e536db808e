import assert from 'node:assert/strict'
import { createRng } from '../../src/engine/rng.ts'

/** Rows of each part. No identity is in two of them. */
export interface IdentitySplit {
  /** Labelled. */
  readonly L: Int32Array
  /** Unlabelled parts 1 to 9, each about as large as L. */
  readonly U: readonly Int32Array[]
  /** Probes and gallery. */
  readonly T: Int32Array
  /** Distractors. */
  readonly D: Int32Array
}

export const PARTS = 9

/**
 * Deals identities out: one share to L and to each of U1..U9, what is left in halves to T and D.
 *
 * @param share identities of L, and of each unlabelled part
 */
export function splitIdentities(labels: Int32Array, share: number, seed: number): IdentitySplit {
  const identities = createRng(seed).shuffle(Int32Array.from(new Set(labels)).sort())
  const rest = identities.length - share * (PARTS + 1)
  assert(rest >= 10, `the split needs ${share * (PARTS + 1) + 10} identities: got ${identities.length}`)
  const rowsOf = (from: number, to: number) => {
    const wanted = new Set(identities.subarray(from, to))
    return Int32Array.from(labels.keys()).filter((row) => wanted.has(labels[row]))
  }
  const middle = share * (PARTS + 1)
  const split = {
    L: rowsOf(0, share),
    U: Array.from({ length: PARTS }, (_, i) => rowsOf(share * (i + 1), share * (i + 2))),
    T: rowsOf(middle, middle + Math.floor(rest / 2)),
    D: rowsOf(middle + Math.floor(rest / 2), identities.length),
  }
  assertDisjoint(labels, split)
  return split
}

/** Leak guard: no row and no identity is in two parts, and no row is lost. */
export function assertDisjoint(labels: Int32Array, { L, U, T, D }: IdentitySplit): void {
  const partOf = new Map<number, number>()
  let rows = 0
  for (const [part, members] of [L, ...U, T, D].entries()) {
    assert(members.length > 0, `part ${part} of the split is empty`)
    rows += members.length
    for (const row of members) {
      const seen = partOf.get(labels[row])
      assert(seen === undefined || seen === part, `identity ${labels[row]} is in parts ${seen} and ${part}`)
      partOf.set(labels[row], part)
    }
  }
  assert.equal(rows, new Set([L, ...U, T, D].flatMap((part) => [...part])).size, 'a row is in the split twice')
}

/** Leak guard: rows that a training may see hold nothing of the parts it is measured on. */
export function assertUnseen(labels: Int32Array, seen: Int32Array, { T, D }: Pick<IdentitySplit, 'T' | 'D'>): void {
  const measured = new Set([...T, ...D].map((row) => labels[row]))
  for (const row of seen) assert(!measured.has(labels[row]), `identity ${labels[row]} is measured and trained on`)
}
