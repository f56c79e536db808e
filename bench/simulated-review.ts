import type { Labels } from '../src/engine/types.ts'

/** A question about two vertices, as the review queue asks it. */
export interface SimulatedQuestion {
  readonly kind: 'EDGE' | 'MERGE'
  /** The less confident end; of an EDGE, all below it leaves if it is wrong. */
  readonly child: number
  readonly parent: number
}

/** A proposed clustering and its trees. */
export interface SimulatedRun {
  readonly labels: Labels
  /** int32 [n], -1 for a root */
  readonly parent: Int32Array
}

/** A point of the curve. */
export interface CurvePoint {
  readonly answers: number
  readonly pairwiseF: number
  /** Answers that split or merged something. */
  readonly changes: number
}

const pairs = (count: number) => (count * (count - 1)) / 2

/**
 * Puts questions to an annotator in a given order and follows what the answers do, by the rules of the ledger: same = one
 * identity, different = kept apart for ever, and what follows from earlier answers is not asked.
 *
 * @param truth int32 [n]
 * @param answer what the annotator says, given the truth
 * @param checkpoints numbers of answers, ascending
 * @param onPoint gets every point with the clusters as they are then
 */
export function simulateReview(
  run: SimulatedRun,
  truth: Labels,
  questions: readonly SimulatedQuestion[],
  answer: (isSame: boolean) => boolean,
  checkpoints: readonly number[],
  onPoint: (point: CurvePoint, clusters: Labels) => void = () => {},
): CurvePoint[] {
  const n = truth.length
  const cluster = Int32Array.from(run.labels)
  const members: number[][] = []
  for (let v = 0; v < n; v++) {
    const own = members[cluster[v]]
    if (own) own.push(v)
    else members[cluster[v]] = [v]
  }
  const parent = Int32Array.from(run.parent)
  const children: number[][] = Array.from({ length: n }, () => [])
  for (let v = 0; v < n; v++) if (parent[v] >= 0) children[parent[v]].push(v)

  // Must-links as a union-find, cannot-links as enemies of its roots.
  const group = Int32Array.from({ length: n }, (_, v) => v)
  const enemies = new Map<number, Set<number>>()
  const find = (v: number): number => {
    let root = v
    while (group[root] !== root) {
      group[root] = group[group[root]]
      root = group[root]
    }
    return root
  }
  const enemiesOf = (root: number) => {
    let found = enemies.get(root)
    if (!found) {
      found = new Set()
      enemies.set(root, found)
    }
    return found
  }
  const unite = (a: number, b: number) => {
    const [x, y] = [find(a), find(b)]
    if (x === y) return
    group[x] = y
    for (const enemy of enemiesOf(x)) {
      enemiesOf(enemy).delete(x)
      enemiesOf(enemy).add(y)
      enemiesOf(y).add(enemy)
    }
    enemies.delete(x)
  }

  const countClasses = (list: readonly number[]) => {
    const counts = new Map<number, number>()
    for (const v of list) counts.set(truth[v], (counts.get(truth[v]) ?? 0) + 1)
    return counts
  }
  let [right, claimed] = [0, 0]
  for (const list of members) {
    claimed += pairs(list.length)
    for (const count of countClasses(list).values()) right += pairs(count)
  }
  let actual = 0
  for (const count of countClasses(Array.from(truth.keys())).values()) actual += pairs(count)
  const acrossPairs = (a: readonly number[], b: readonly number[], sign: 1 | -1) => {
    const other = countClasses(b)
    for (const [label, count] of countClasses(a)) right += sign * count * (other.get(label) ?? 0)
    claimed += sign * a.length * b.length
  }
  const pairwiseF = () => (2 * right) / (claimed + actual)

  let [answers, changes] = [0, 0]
  const curve: CurvePoint[] = []
  const note = () => {
    const point = { answers, pairwiseF: pairwiseF(), changes }
    curve.push(point)
    onPoint(point, cluster)
  }
  note()
  const most = checkpoints.at(-1) ?? 0
  for (const { kind, child, parent: u } of questions) {
    if (answers >= most) break
    if (isDecided(kind, child, u)) continue
    answers++
    if (answer(truth[child] === truth[u])) {
      unite(child, u)
      if (kind === 'MERGE') merge(cluster[child], cluster[u])
    } else {
      enemiesOf(find(child)).add(find(u))
      enemiesOf(find(u)).add(find(child))
      if (kind === 'EDGE') split(child, u)
    }
    if (checkpoints.includes(answers)) note()
  }
  if (curve.at(-1)?.answers !== answers) note()
  return curve

  function isDecided(kind: SimulatedQuestion['kind'], v: number, u: number): boolean {
    if (find(v) === find(u) || enemiesOf(find(v)).has(find(u))) return true
    if ((cluster[v] === cluster[u]) !== (kind === 'EDGE')) return true
    if (kind === 'EDGE') return false
    // Two clusters that hold enemies can not be one.
    const others = new Set(members[cluster[u]].map(find))
    return members[cluster[v]].some((w) => [...(enemies.get(find(w)) ?? [])].some((enemy) => others.has(enemy)))
  }

  function merge(from: number, into: number): void {
    changes++
    acrossPairs(members[from], members[into], 1)
    for (const w of members[from]) cluster[w] = into
    members[into] = members[into].concat(members[from])
    members[from] = []
  }

  /** The side of v leaves, except what must stay with the rest. */
  function split(v: number, u: number): void {
    changes++
    const below = [v]
    for (let at = 0; at < below.length; at++) below.push(...children[below[at]])
    const side = new Set(below)
    const all = members[cluster[v]]
    const stays = new Set(all.filter((w) => !side.has(w)).map(find))
    const own = find(v)
    const leaving = all.filter((w) => find(w) === own || (side.has(w) && !stays.has(find(w)) && find(w) !== find(u)))
    const gone = new Set(leaving)
    const rest = all.filter((w) => !gone.has(w))
    acrossPairs(leaving, rest, -1)
    members[cluster[v]] = rest
    for (const w of leaving) cluster[w] = members.length
    members.push(leaving)
    children[parent[v]] = children[parent[v]].filter((w) => w !== v)
    parent[v] = -1
  }
}
