import { createHash } from 'node:crypto'
import type { AuditStratum, ReviewVerdict } from '../generated/prisma/client.ts'
import { ConstraintClosure, type Statement } from './constraint-closure.ts'

/** A pair of items. */
export interface ItemPair {
  readonly leftItemId: string
  readonly rightItemId: string
}

/** A question about a pair of items, before it is stored. */
export interface PairQuestion extends ItemPair {
  readonly kind: 'EDGE' | 'MERGE'
  readonly childIndex: number
  readonly parentIndex: number
  readonly similarity: number
  /** Calibrated probability that both are the same. */
  readonly probability: number
  /** Expected wrong pairs that a right answer removes. */
  readonly priority: number
  /** Near-duplicate pairs that it stands for. */
  readonly alsoPairs?: readonly ItemPair[]
}

/** Which of these items do not belong? */
export interface OutliersQuestion {
  readonly kind: 'OUTLIERS'
  /** The most typical member, shown first. */
  readonly anchorIndex: number
  readonly anchorItemId: string
  readonly clusterSize: number
  /** Riskiest first. */
  readonly members: readonly { readonly itemId: string; readonly probability: number }[]
  readonly priority: number
}

/** Where does this free item go? */
export interface AssignQuestion {
  readonly kind: 'ASSIGN'
  readonly itemId: string
  readonly itemIndex: number
  /** Most probable first: the member of each identity that is most like the item. */
  readonly candidates: readonly { readonly itemId: string; readonly index: number; readonly probability: number }[]
  readonly priority: number
}

export type Question = PairQuestion | OutliersQuestion | AssignQuestion

/** A question with how it came into the queue. */
export type QueuedQuestion = Question & {
  /** Only asked as one of the random share. */
  readonly isAudit?: boolean
  readonly stratum?: AuditStratum
  readonly rank?: number
  readonly weight?: number
  /** Set on hidden gold tasks. */
  readonly goldVerdict?: ReviewVerdict
  /** Known already from what people have decided: not asked, but part of the random sample. */
  readonly settledVerdict?: ReviewVerdict
}

const digest = (parts: readonly string[]): string =>
  createHash('sha256')
    .update([...parts].sort().join())
    .digest('base64url')
    .slice(0, 22)

/** The same question has the same key, whichever side is left and whichever run asks it. */
export function questionKey(question: QueuedQuestion): string {
  const prefix = question.goldVerdict ? 'GOLD:' : ''
  if (question.kind === 'OUTLIERS') {
    return `${prefix}OUTLIERS:${question.anchorItemId}:${digest(question.members.map(({ itemId }) => itemId))}`
  }
  if (question.kind === 'ASSIGN') {
    return `${prefix}ASSIGN:${question.itemId}:${digest(question.candidates.map(({ itemId }) => itemId))}`
  }
  const { kind, leftItemId, rightItemId } = question
  return `${prefix}${kind}:${[leftItemId, rightItemId].sort().join(':')}`
}

/** What people have decided, as far as questions go: does an answer follow from it? */
export class DecidedPairs {
  readonly #closure: ConstraintClosure
  readonly #apart: ReadonlySet<string>

  constructor(statements: readonly Statement[]) {
    this.#closure = new ConstraintClosure(statements)
    this.#apart = new Set(
      statements.flatMap(({ kind, leftItemId, rightItemId }) =>
        kind === 'CANNOT_LINK' && rightItemId ? [this.#key(leftItemId, rightItemId)] : [],
      ),
    )
  }

  #key(a: string, b: string): string {
    return [this.#closure.groupOf(a), this.#closure.groupOf(b)].sort().join('/')
  }

  isExcluded(itemId: string): boolean {
    return this.#closure.isExcluded(itemId)
  }

  /** The answer that follows; undefined where nobody has decided. */
  verdictOf({ leftItemId, rightItemId }: ItemPair): ReviewVerdict | undefined {
    if (this.isExcluded(leftItemId) || this.isExcluded(rightItemId)) return 'INVALID_SUBJECT'
    if (this.#closure.groupOf(leftItemId) === this.#closure.groupOf(rightItemId)) return 'SAME'
    return this.#apart.has(this.#key(leftItemId, rightItemId)) ? 'DIFFERENT' : undefined
  }
}

/** Questions whose answer does not follow from what people have decided already. */
export const keepUndecided = <Asked extends ItemPair>(questions: readonly Asked[], decided: DecidedPairs): Asked[] =>
  questions.filter((question) => decided.verdictOf(question) === undefined)

/** An edge question with what grouping needs to know of it. */
export interface EdgeFacts extends PairQuestion {
  readonly subtreeSize: number
  readonly clusterIndex: number
}

const LEAST_OUTLIERS = 4
const MOST_OUTLIERS = 11

/**
 * Puts single doubtful members of one cluster in one grid: looking at a dozen pictures at once takes little longer than
 * comparing two. Edges with more below them stay questions of their own.
 *
 * @param roots the most typical member of each cluster, and its size
 */
export function groupOutliers(
  edges: readonly EdgeFacts[],
  roots: ReadonlyMap<number, { index: number; itemId: string; size: number }>,
): { edges: EdgeFacts[]; grids: OutliersQuestion[] } {
  const leaves = new Map<number, EdgeFacts[]>()
  for (const edge of edges) {
    if (edge.subtreeSize > 1 || edge.leftItemId === roots.get(edge.clusterIndex)?.itemId) continue
    const ofCluster = leaves.get(edge.clusterIndex)
    if (ofCluster) ofCluster.push(edge)
    else leaves.set(edge.clusterIndex, [edge])
  }
  const grouped = new Set<EdgeFacts>()
  const grids: OutliersQuestion[] = []
  for (const [clusterIndex, ofCluster] of leaves) {
    const root = roots.get(clusterIndex)
    if (!root) continue
    ofCluster.sort((a, b) => b.priority - a.priority || a.childIndex - b.childIndex)
    for (let from = 0; ofCluster.length - from >= LEAST_OUTLIERS; from += MOST_OUTLIERS) {
      const shown = ofCluster.slice(from, from + MOST_OUTLIERS)
      for (const edge of shown) grouped.add(edge)
      grids.push({
        kind: 'OUTLIERS',
        anchorIndex: root.index,
        anchorItemId: root.itemId,
        clusterSize: root.size,
        members: shown.map(({ leftItemId, probability }) => ({ itemId: leftItemId, probability })),
        priority: shown.reduce((sum, { priority }) => sum + priority, 0),
      })
    }
  }
  return { edges: edges.filter((edge) => !grouped.has(edge)), grids }
}

/** A merge question with the sizes of its two clusters. */
export interface MergeFacts extends PairQuestion {
  readonly childClusterSize: number
  readonly parentClusterSize: number
}

const LEAST_CANDIDATES = 2
const MOST_CANDIDATES = 5

/** Puts all likely homes of a free item in one question. Free items with one likely home stay a plain MERGE. */
export function groupAssignments(merges: readonly MergeFacts[]): { merges: MergeFacts[]; assigns: AssignQuestion[] } {
  const homes = new Map<
    string,
    { merge: MergeFacts; index: number; itemId: string; other: string; otherIndex: number }[]
  >()
  for (const merge of merges) {
    const isChildFree = merge.childClusterSize === 1
    if (isChildFree === (merge.parentClusterSize === 1)) continue
    const child = { index: merge.childIndex, itemId: merge.leftItemId }
    const parent = { index: merge.parentIndex, itemId: merge.rightItemId }
    const [free, home] = isChildFree ? [child, parent] : [parent, child]
    const known = homes.get(free.itemId) ?? []
    known.push({ merge, ...free, other: home.itemId, otherIndex: home.index })
    homes.set(free.itemId, known)
  }
  const grouped = new Set<MergeFacts>()
  const assigns: AssignQuestion[] = []
  for (const [itemId, found] of homes) {
    if (found.length < LEAST_CANDIDATES) continue
    found.sort((a, b) => b.merge.probability - a.merge.probability || (a.other < b.other ? -1 : 1))
    const shown = found.slice(0, MOST_CANDIDATES)
    for (const { merge } of found) grouped.add(merge)
    assigns.push({
      kind: 'ASSIGN',
      itemId,
      itemIndex: shown[0]?.index as number,
      candidates: shown.map(({ other, otherIndex, merge }) => ({
        itemId: other,
        index: otherIndex,
        probability: merge.probability,
      })),
      priority: shown.reduce((sum, { merge }) => sum + merge.priority, 0),
    })
  }
  return { merges: merges.filter((merge) => !grouped.has(merge)), assigns }
}

/**
 * One question for all pairs that look the same: of pairs whose ends are near-duplicates of each other, the most urgent
 * stands for the rest.
 *
 * @param leaderOf the item that stands for an item and its near-duplicates
 */
export function collapseDuplicates<Asked extends PairQuestion>(
  questions: readonly Asked[],
  leaderOf: (itemId: string) => string,
): Asked[] {
  const kept = new Map<string, { question: Asked; alsoPairs: ItemPair[] }>()
  for (const question of [...questions].sort((a, b) => b.priority - a.priority)) {
    const [left, right] = [leaderOf(question.leftItemId), leaderOf(question.rightItemId)]
    // Two near-duplicates of each other are the question itself, not a copy of one.
    const key = left === right ? questionKey(question) : `${question.kind}:${[left, right].sort().join(':')}`
    const known = kept.get(key)
    if (!known) kept.set(key, { question, alsoPairs: [] })
    // Which end is which matters where one side leaves: EDGE pairs keep their direction.
    else known.alsoPairs.push({ leftItemId: question.leftItemId, rightItemId: question.rightItemId })
  }
  return [...kept.values()].map(({ question, alsoPairs }) =>
    alsoPairs.length > 0 ? { ...question, alsoPairs } : question,
  )
}

/** A vertex as panels need it. */
export interface PanelVertex {
  readonly index: number
  readonly itemId: string
  readonly clusterIndex: number
  readonly parentIndex: number | null
  readonly parentProbability: number | null
  readonly confidence: number
}

export interface Panel {
  readonly itemIds: string[]
  readonly memberCount: number
  /** OUTLIERS: that each item belongs; ASSIGN: that the free one belongs here. */
  readonly probabilities?: number[]
}

/** What a task shows. */
export interface Panels {
  readonly left: Panel
  readonly right?: Panel
  readonly candidates?: (Panel & { identityId?: string | null })[]
}

const PANEL_ITEMS = 6

/** What a question shows: of each side the edge's own end first, then the most typical, then members spread over the rest. */
export function panelsOf(
  question: QueuedQuestion,
  byIndex: ReadonlyMap<number, PanelVertex>,
  members: ReadonlyMap<number, PanelVertex[]>,
): Panels {
  const vertex = (index: number) => byIndex.get(index) as PanelVertex
  const ofCluster = ({ clusterIndex }: PanelVertex) => members.get(clusterIndex) ?? []
  if (question.kind === 'OUTLIERS') {
    const itemIds = [question.anchorItemId, ...question.members.map(({ itemId }) => itemId)]
    const probabilities = [1, ...question.members.map(({ probability }) => probability)]
    return { left: { itemIds, memberCount: question.clusterSize, probabilities } }
  }
  if (question.kind === 'ASSIGN') {
    const candidates = question.candidates.map(({ index, probability }) => ({
      ...panel(vertex(index), ofCluster(vertex(index))),
      probabilities: [probability],
    }))
    return { left: { itemIds: [question.itemId], memberCount: 1 }, candidates }
  }
  const [child, parent] = [vertex(question.childIndex), vertex(question.parentIndex)]
  if (question.stratum === 'WITHIN' || question.stratum === 'ACROSS') {
    // A random pair is asked about itself: its company would sway the answer.
    return {
      left: { itemIds: [question.leftItemId], memberCount: ofCluster(child).length },
      right: { itemIds: [question.rightItemId], memberCount: ofCluster(parent).length },
    }
  }
  if (question.kind === 'MERGE') {
    return { left: panel(child, ofCluster(child)), right: panel(parent, ofCluster(parent)) }
  }
  const below = subtree(child, ofCluster(child))
  const side = new Set(below.map(({ index }) => index))
  return {
    left: panel(child, below),
    right: panel(
      parent,
      ofCluster(child).filter(({ index }) => !side.has(index)),
    ),
  }
}

/** The vertex and all that hang on it. */
export function subtree(top: PanelVertex, members: readonly PanelVertex[]): PanelVertex[] {
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

/** The tree path between two members of one cluster: its weakest link, and the product of its probabilities. */
export function pathBetween(
  a: PanelVertex,
  b: PanelVertex,
  byIndex: ReadonlyMap<number, PanelVertex>,
): { weakest: PanelVertex; probability: number } | undefined {
  const upwards = (from: PanelVertex) => {
    const path = [from]
    for (let up = from.parentIndex; up !== null; ) {
      const next = byIndex.get(up)
      if (!next) break
      path.push(next)
      up = next.parentIndex
    }
    return path
  }
  const [fromA, fromB] = [upwards(a), upwards(b)]
  const above = new Set(fromB.map(({ index }) => index))
  const meeting = fromA.find(({ index }) => above.has(index))
  if (!meeting) return undefined
  const until = (path: readonly PanelVertex[]) =>
    path.slice(
      0,
      path.findIndex(({ index }) => index === meeting.index),
    )
  const links = [...until(fromA), ...until(fromB)]
  const [first, ...rest] = links
  if (!first) return undefined
  const p = ({ parentProbability }: PanelVertex) => parentProbability ?? 1
  return {
    weakest: rest.reduce((least, link) => (p(link) < p(least) ? link : least), first),
    probability: links.reduce((product, link) => product * p(link), 1),
  }
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
