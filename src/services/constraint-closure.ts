import type { ConstraintKind } from '../generated/prisma/client.ts'

/** A statement about items: stored (with an id), or about to be. */
export interface Statement {
  readonly id?: string
  readonly kind: ConstraintKind
  readonly leftItemId: string
  readonly rightItemId: string | null
}

/** What a refusal names: statements that are stored. What is about to be is the change itself. */
const costOf = ({ id }: Statement): number => (id === undefined ? 0 : 1)

const totalCost = (statements: readonly Statement[]): number =>
  statements.reduce((sum, statement) => sum + costOf(statement), 0)

/** The set that names the fewest stored statements, the first of several. */
export function smallest(sets: Iterable<Statement[]>): Statement[] | undefined {
  let best: Statement[] | undefined
  for (const set of sets) if (!best || totalCost(set) < totalCost(best)) best = set
  return best
}

/** What the active statements imply: groups that belong together, pairs that do not, and items that are no subject. */
export class ConstraintClosure {
  readonly #neighbours = new Map<string, Statement[]>()
  readonly #parent = new Map<string, string>()
  readonly #cannot: Statement[] = []
  readonly #excluded = new Map<string, Statement>()
  #groups: Map<string, string[]> | undefined

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

  /** All items that must be together with this one, itself included. */
  matesOf(itemId: string): readonly string[] {
    if (!this.#groups) {
      this.#groups = new Map()
      for (const item of this.#neighbours.keys()) {
        const group = this.groupOf(item)
        const known = this.#groups.get(group)
        if (known) known.push(item)
        else this.#groups.set(group, [item])
      }
    }
    return this.#groups.get(this.groupOf(itemId)) ?? [itemId]
  }

  isExcluded(itemId: string): boolean {
    return this.#excluded.has(itemId)
  }

  /** The exclusion that stands against linking this item to anything. */
  exclusionOf(itemId: string): Statement | undefined {
    return this.#excluded.get(itemId)
  }

  /**
   * Must-links on a path from an item to the nearest that will do, naming as few stored statements as there can be: no
   * other path needs a part of them only. Undefined when there is none.
   */
  pathTo(from: string, isEnd: (itemId: string) => boolean): Statement[] | undefined {
    const cameBy = new Map<string, { statement: Statement; from: string }>()
    const cost = new Map([[from, 0]])
    const settled = new Set<string>()
    // Steps cost 0 or 1: what is as near as the present item is looked at before what is one further.
    let near = [from]
    let far: string[] = []
    while (near.length > 0 || far.length > 0) {
      if (near.length === 0) [near, far] = [far, []]
      const item = near.pop() as string
      if (settled.has(item)) continue
      settled.add(item)
      if (item !== from && isEnd(item)) {
        const path: Statement[] = []
        for (let at = item; at !== from; ) {
          const step = cameBy.get(at) as { statement: Statement; from: string }
          path.push(step.statement)
          at = step.from
        }
        return path
      }
      for (const statement of this.#neighbours.get(item) ?? []) {
        const next = (statement.leftItemId === item ? statement.rightItemId : statement.leftItemId) as string
        const total = (cost.get(item) as number) + costOf(statement)
        if (total >= (cost.get(next) ?? Number.POSITIVE_INFINITY)) continue
        cost.set(next, total)
        cameBy.set(next, { statement, from: item })
        if (costOf(statement) === 0) near.push(next)
        else far.push(next)
      }
    }
    return undefined
  }

  /**
   * The smallest contradiction: a cannot-link within one group, with the must-links of a path between its ends. None of
   * its stored statements can be left out. Exclusion never contradicts: an excluded item is simply in no group that counts.
   */
  findContradiction(): Statement[] | undefined {
    let best: Statement[] | undefined
    for (const statement of this.#cannot) {
      const { leftItemId, rightItemId } = statement
      if (!rightItemId || this.groupOf(leftItemId) !== this.groupOf(rightItemId)) continue
      const path = this.pathTo(leftItemId, (itemId) => itemId === rightItemId) ?? []
      best = smallest(best ? [best, [statement, ...path]] : [[statement, ...path]])
      if (best && totalCost(best) <= 1) break
    }
    return best
  }
}
