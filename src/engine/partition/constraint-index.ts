import { EngineError } from '../errors.ts'
import type { Constraints } from '../types.ts'
import { UnionFind } from './union-find.ts'

/** Most pairs that a message about contradictions names. */
const PAIRS_NAMED = 5

/**
 * Sets of vertices that know their enemies. Must-links are joined from the start; a union that would put the two
 * sides of a cannot-link together is refused.
 *
 * Links that touch an excluded vertex are dropped: it is no valid subject, so nothing follows from comparing with it.
 */
export class ConstraintIndex {
  readonly excluded: Uint8Array
  /** The links in force, int32 [2 * m]. */
  readonly mustLinks: Int32Array
  readonly cannotLinks: Int32Array
  readonly #sets: UnionFind
  /** Enemy sets by root; kept symmetric. */
  readonly #enemies = new Map<number, Set<number>>()

  /** @throws EngineError SHAPE_MISMATCH for a vertex that is not there, CONTRADICTION naming the pairs. */
  constructor(
    readonly n: number,
    constraints: Constraints,
  ) {
    this.excluded = new Uint8Array(n)
    for (const name of ['mustLinks', 'cannotLinks', 'excluded'] as const) checkVertices(name, constraints[name], n)
    for (const v of constraints.excluded) this.excluded[v] = 1
    this.mustLinks = this.#inForce('mustLinks', constraints.mustLinks)
    this.cannotLinks = this.#inForce('cannotLinks', constraints.cannotLinks)
    this.#sets = new UnionFind(n)
    const { mustLinks, cannotLinks } = this
    for (let e = 0; e < mustLinks.length; e += 2) this.#sets.union(mustLinks[e], mustLinks[e + 1])
    this.#refuseContradictions()
    for (let e = 0; e < cannotLinks.length; e += 2) {
      const a = this.find(cannotLinks[e])
      const b = this.find(cannotLinks[e + 1])
      this.#enemiesOf(a).add(b)
      this.#enemiesOf(b).add(a)
    }
  }

  find(v: number): number {
    return this.#sets.find(v)
  }

  /** May the sets of u and v be one? Excluded vertices stay alone. */
  mayJoin(u: number, v: number): boolean {
    if (this.excluded[u] || this.excluded[v]) return false
    return !this.#enemies.get(this.find(u))?.has(this.find(v))
  }

  /** Joins the sets of u and v unless that is forbidden; true when they are one set afterwards. */
  join(u: number, v: number): boolean {
    const a = this.find(u)
    const b = this.find(v)
    if (a === b) return true
    if (!this.mayJoin(u, v)) return false
    this.#sets.union(a, b)
    const root = this.find(a)
    this.#moveEnemies(root, root === a ? b : a)
    return true
  }

  labels(): Int32Array {
    return this.#sets.labels()
  }

  /** Small sets are poured into large ones, so that all unions together stay near linear. */
  #moveEnemies(root: number, gone: number): void {
    const left = this.#enemies.get(root)
    const right = this.#enemies.get(gone)
    if (!right) return
    for (const enemy of right) {
      const theirs = this.#enemiesOf(enemy)
      theirs.delete(gone)
      theirs.add(root)
    }
    const [large, small] = (left?.size ?? 0) > right.size ? [left as Set<number>, right] : [right, left]
    if (small) for (const enemy of small) large.add(enemy)
    this.#enemies.set(root, large)
    this.#enemies.delete(gone)
  }

  #enemiesOf(root: number): Set<number> {
    let set = this.#enemies.get(root)
    if (!set) {
      set = new Set()
      this.#enemies.set(root, set)
    }
    return set
  }

  #inForce(name: string, pairs: Int32Array): Int32Array {
    if (pairs.length % 2 !== 0) {
      throw new EngineError(
        'SHAPE_MISMATCH',
        `${name} must be pairs of vertices: got ${pairs.length} values, expected an even number`,
      )
    }
    const kept: number[] = []
    for (let e = 0; e < pairs.length; e += 2) {
      if (!this.excluded[pairs[e]] && !this.excluded[pairs[e + 1]]) kept.push(pairs[e], pairs[e + 1])
    }
    return Int32Array.from(kept)
  }

  #refuseContradictions(): void {
    const { cannotLinks } = this
    const named: string[] = []
    let count = 0
    for (let e = 0; e < cannotLinks.length; e += 2) {
      if (this.find(cannotLinks[e]) !== this.find(cannotLinks[e + 1])) continue
      count++
      if (named.length < PAIRS_NAMED) named.push(`(${cannotLinks[e]}, ${cannotLinks[e + 1]})`)
    }
    if (count === 0) return
    const more = count > named.length ? ` and ${count - named.length} more` : ''
    throw new EngineError(
      'CONTRADICTION',
      `cannot-links must join vertices that no must-links join: got ${count} that contradict, ${named.join(', ')}${more}; ` +
        'take back one decision of each pair',
    )
  }
}

/** Does the partition break a decision? Counts the links and exclusions that it breaks. */
export function countViolations(labels: Int32Array, constraints: Constraints): number {
  const index = new ConstraintIndex(labels.length, constraints)
  const { mustLinks, cannotLinks, excluded } = index
  let violations = 0
  for (let e = 0; e < mustLinks.length; e += 2) if (labels[mustLinks[e]] !== labels[mustLinks[e + 1]]) violations++
  for (let e = 0; e < cannotLinks.length; e += 2)
    if (labels[cannotLinks[e]] === labels[cannotLinks[e + 1]]) violations++
  const sizes = new Map<number, number>()
  for (const label of labels) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  for (let v = 0; v < labels.length; v++) if (excluded[v] && (sizes.get(labels[v]) as number) > 1) violations++
  return violations
}

function checkVertices(name: string, vertices: Int32Array, n: number): void {
  for (let i = 0; i < vertices.length; i++) {
    if (vertices[i] >= 0 && vertices[i] < n) continue
    throw new EngineError(
      'SHAPE_MISMATCH',
      `${name} must name vertices: got ${vertices[i]} at ${i}, expected 0 to ${n - 1}`,
    )
  }
}
