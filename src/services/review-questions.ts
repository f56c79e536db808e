import type { ReviewTaskKind } from '../generated/prisma/client.ts'
import { ConstraintClosure, type Statement } from './constraint-closure.ts'

/** One question about a pair of items, before it is stored. */
export interface Question {
  readonly kind: Extract<ReviewTaskKind, 'EDGE' | 'MERGE'>
  readonly leftItemId: string
  readonly rightItemId: string
  readonly childIndex: number
  readonly parentIndex: number
  readonly similarity: number
  /** Calibrated probability that both are the same. */
  readonly probability: number
  /** Expected wrong pairs that a right answer removes. */
  readonly priority: number
}

/** The same question has the same key, whichever side is left and whichever run asks it. */
export const questionKey = ({ kind, leftItemId, rightItemId }: Question): string =>
  `${kind}:${[leftItemId, rightItemId].sort().join(':')}`

/** Questions whose answer does not follow from what people have decided already. */
export function keepUndecided(questions: readonly Question[], statements: readonly Statement[]): Question[] {
  const closure = new ConstraintClosure(statements)
  const pair = (a: string, b: string) => [closure.groupOf(a), closure.groupOf(b)].sort().join('/')
  const apart = new Set(
    statements.flatMap(({ kind, leftItemId, rightItemId }) =>
      kind === 'CANNOT_LINK' && rightItemId ? [pair(leftItemId, rightItemId)] : [],
    ),
  )
  return questions.filter(({ leftItemId, rightItemId }) => {
    if (closure.isExcluded(leftItemId) || closure.isExcluded(rightItemId)) return false
    return closure.groupOf(leftItemId) !== closure.groupOf(rightItemId) && !apart.has(pair(leftItemId, rightItemId))
  })
}

/** A vertex as panels need it. */
export interface PanelVertex {
  readonly index: number
  readonly itemId: string
  readonly clusterIndex: number
  readonly parentIndex: number | null
  readonly confidence: number
}

export interface Panel {
  readonly itemIds: string[]
  readonly memberCount: number
}

const PANEL_ITEMS = 6

/** What each side of a question shows: the edge's own end first, then the most typical, then members spread over the rest. */
export function panelsOf(
  question: Question,
  byIndex: ReadonlyMap<number, PanelVertex>,
  members: ReadonlyMap<number, PanelVertex[]>,
): [Panel, Panel] {
  const child = byIndex.get(question.childIndex) as PanelVertex
  const parent = byIndex.get(question.parentIndex) as PanelVertex
  const ofChild = members.get(child.clusterIndex) ?? []
  if (question.kind === 'MERGE') return [panel(child, ofChild), panel(parent, members.get(parent.clusterIndex) ?? [])]
  const below = subtree(child, ofChild)
  const side = new Set(below.map(({ index }) => index))
  return [
    panel(child, below),
    panel(
      parent,
      ofChild.filter(({ index }) => !side.has(index)),
    ),
  ]
}

/** The vertex and all that hang on it. */
function subtree(top: PanelVertex, members: readonly PanelVertex[]): PanelVertex[] {
  const children = new Map<number, PanelVertex[]>()
  for (const vertex of members) {
    if (vertex.parentIndex === null) continue
    const siblings = children.get(vertex.parentIndex)
    if (siblings) siblings.push(vertex)
    else children.set(vertex.parentIndex, [vertex])
  }
  const found = [top]
  for (let at = 0; at < found.length; at++) found.push(...(children.get((found[at] as PanelVertex).index) ?? []))
  return found
}

function panel(end: PanelVertex, members: readonly PanelVertex[]): Panel {
  const rest = members
    .filter(({ index }) => index !== end.index)
    .sort((a, b) => b.confidence - a.confidence || a.index - b.index)
  const wanted = Math.min(PANEL_ITEMS - 1, rest.length)
  // Evenly from the most to the least typical: five look-alikes would hide a stranger.
  const picked = Array.from({ length: wanted }, (_, i) => rest[Math.floor((i * rest.length) / wanted)] as PanelVertex)
  return { itemIds: [end, ...picked].map(({ itemId }) => itemId), memberCount: members.length }
}
