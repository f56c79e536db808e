import type { ConstraintKind } from '../generated/prisma/client.ts'

/** A statement about items: stored (with an id), or about to be. */
export interface Statement {
  readonly id?: string
  readonly kind: ConstraintKind
  readonly leftItemId: string
  readonly rightItemId: string | null
}

/** What the active statements imply: groups that belong together, pairs that do not, and items that are no subject. */
export class ConstraintClosure {
  readonly #neighbours = new Map<string, Statement[]>()
  readonly #parent = new Map<string, string>()
  readonly #cannot: Statement[] = []
  readonly #excluded = new Map<string, Statement>()

  constructor(statements: Iterable<Statement>) {
    for (const statement of statements) this.#add(statement)
  }

  #add(statement: Statement): void {
    const { kind, leftItemId, rightItemId } = statement
    if (kind === 'EXCLUDED') this.#excluded.set(leftItemId, statement)
    else if (kind === 'CANNOT_LINK') this.#cannot.push(statement)
    else if (rightItemId) {
      for (const end of [leftItemId, rightItemId]) {
        const known = this.#neighbours.get(end)
        if (known) known.push(statement)
        else this.#neighbours.set(end, [statement])
      }
      this.#parent.set(this.groupOf(leftItemId), this.groupOf(rightItemId))
    }
  }

  /** The representative of all items that must be together with this one. */
  groupOf(itemId: string): string {
    let root = itemId
    for (let up = this.#parent.get(root); up !== undefined && up !== root; up = this.#parent.get(root)) root = up
    if (root !== itemId) this.#parent.set(itemId, root)
    return root
  }

  isExcluded(itemId: string): boolean {
    return this.#excluded.has(itemId)
  }

  /** Must-links on a shortest path between two items of one group. */
  #path(from: string, to: string): Statement[] {
    const cameBy = new Map<string, { statement: Statement; from: string }>()
    const queue = [from]
    for (let at = 0; at < queue.length; at++) {
      const item = queue[at] as string
      if (item === to) break
      for (const statement of this.#neighbours.get(item) ?? []) {
        const next = (statement.leftItemId === item ? statement.rightItemId : statement.leftItemId) as string
        if (next === from || cameBy.has(next)) continue
        cameBy.set(next, { statement, from: item })
        queue.push(next)
      }
    }
    const path: Statement[] = []
    for (let item = to; item !== from; ) {
      const step = cameBy.get(item)
      if (!step) return []
      path.push(step.statement)
      item = step.from
    }
    return path
  }

  /**
   * The first contradiction: a cannot-link within one group, with the must-links of a shortest path between its ends. No
   * statement of it can be left out. Exclusion never contradicts: an excluded item is simply in no group that counts.
   */
  findContradiction(): Statement[] | undefined {
    for (const statement of this.#cannot) {
      const { leftItemId, rightItemId } = statement
      if (!rightItemId || this.groupOf(leftItemId) !== this.groupOf(rightItemId)) continue
      return [statement, ...this.#path(leftItemId, rightItemId)]
    }
    return undefined
  }

  /** The exclusion that stands against linking this item to anything. */
  exclusionOf(itemId: string): Statement | undefined {
    return this.#excluded.get(itemId)
  }
}
