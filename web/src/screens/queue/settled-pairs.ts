import type { QueueTask } from './queue-api.ts'

/** Pairs that this sitting's decisions have settled: a question whose answer follows from them is not asked any more. */
export interface SettledPairs {
  join(left: string, right: string): void
  part(left: string, right: string): void
  knows(left: string, right: string): boolean
}

export function createSettledPairs(): SettledPairs {
  const parents = new Map<string, string>()
  const apart: [left: string, right: string][] = []
  function groupOf(item: string): string {
    const parent = parents.get(item)
    if (parent === undefined) return item
    const root = groupOf(parent)
    parents.set(item, root)
    return root
  }
  return {
    join(left, right) {
      const [a, b] = [groupOf(left), groupOf(right)]
      if (a !== b) parents.set(a, b)
    },
    part: (left, right) => void apart.push([left, right]),
    knows(left, right) {
      const [a, b] = [groupOf(left), groupOf(right)]
      if (a === b) return true
      return apart.some(([l, r]) => {
        const [x, y] = [groupOf(l), groupOf(r)]
        return (x === a && y === b) || (x === b && y === a)
      })
    },
  }
}

/** The two items that a question is about; undefined for questions about a group. */
export function pairOf({ kind, panels }: QueueTask): [left: string, right: string] | undefined {
  const [left, right] = panels.map(({ items }) => items[0]?.id)
  return (kind === 'EDGE' || kind === 'MERGE') && left && right ? [left, right] : undefined
}
