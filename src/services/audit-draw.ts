import { Prisma } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { openLinks } from './link-population.ts'
import {
  type DecidedPairs,
  type PairQuestion,
  type PanelVertex,
  pathBetween,
  type QueuedQuestion,
} from './review-questions.ts'
import { getActiveSpace } from './similarity.ts'

/** Questions drawn of each stratum; people answer them in their random order, as far as they get. */
const MOST_LINKS = 1_000
const MOST_PAIRS = 500
/** An across pair stands for at most this many times the average: a merge of almost no probability is drawn rarely, not never. */
const LEAST_PROBABILITY = 0.02

interface Seeded {
  /** Uniform in [0, 1). */
  next(): number
  /** Uniform integer below a bound. */
  int(bound: number): number
}

/** Links of the run drawn evenly, in random order. Hashing by run keeps the draw the same on a second attempt. */
async function drawLinks(app: App, projectId: string, runId: string): Promise<PairQuestion[]> {
  return app.prisma.$queryRaw<PairQuestion[]>`
    /* drawLinks */
    WITH ${openLinks(projectId, runId)}
    SELECT 'EDGE' AS "kind", "leftItemId", "rightItemId", "childIndex", "parentIndex", "similarity"::float8,
      "probability"::float8, "impact" AS "priority"
    FROM links ORDER BY md5("leftItemId"::text || ${runId}), "childIndex" LIMIT ${MOST_LINKS}`
}

interface ClusterRow {
  index: number
  size: number
}

interface MergeRow {
  left: number
  right: number
  leftSize: number
  rightSize: number
  probability: number
}

/** One item pair to ask about, as vertices of the run. */
interface DrawnPair {
  stratum: 'WITHIN' | 'ACROSS'
  a: { cluster: number; place: number }
  b: { cluster: number; place: number }
  weight: number
  probability: number
}

/** Pairs within clusters, each of all such pairs equally likely. */
function drawWithin(clusters: readonly ClusterRow[], rng: Seeded): DrawnPair[] {
  const cumulative: number[] = []
  let total = 0
  for (const { size } of clusters) {
    total += (size * (size - 1)) / 2
    cumulative.push(total)
  }
  const drawn = new Map<string, DrawnPair>()
  for (let tries = 0; tries < 3 * MOST_PAIRS && drawn.size < Math.min(MOST_PAIRS, total); tries++) {
    const { index: cluster, size } = clusters[find(cumulative, rng.next() * total)] as ClusterRow
    const first = rng.int(size)
    const second = (first + 1 + rng.int(size - 1)) % size
    const [a, b] = first < second ? [first, second] : [second, first]
    drawn.set(`${cluster}/${a}/${b}`, {
      stratum: 'WITHIN',
      a: { cluster, place: a },
      b: { cluster, place: b },
      weight: total,
      probability: 0,
    })
  }
  return [...drawn.values()]
}

/** Pairs across likely merges, the likelier the more often; each carries the pairs that it stands for. */
function drawAcross(merges: readonly MergeRow[], rng: Seeded): DrawnPair[] {
  const share = ({ leftSize, rightSize, probability }: MergeRow) =>
    leftSize * rightSize * Math.max(LEAST_PROBABILITY, probability)
  const cumulative: number[] = []
  let total = 0
  for (const merge of merges) {
    total += share(merge)
    cumulative.push(total)
  }
  const drawn: DrawnPair[] = []
  if (total === 0) return drawn
  for (let i = 0; i < MOST_PAIRS; i++) {
    const merge = merges[find(cumulative, rng.next() * total)] as MergeRow
    const { left, right, leftSize, rightSize, probability } = merge
    drawn.push({
      stratum: 'ACROSS',
      a: { cluster: left, place: rng.int(leftSize) },
      b: { cluster: right, place: rng.int(rightSize) },
      weight: (leftSize * rightSize * total) / share(merge),
      probability,
    })
  }
  return drawn
}

/** The first place whose running total is above the value. */
function find(cumulative: readonly number[], value: number): number {
  let [low, high] = [0, cumulative.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cumulative[middle] as number) > value) high = middle
    else low = middle + 1
  }
  return low
}

/** A small seeded generator (mulberry32), so that a second attempt draws the same. */
function seeded(text: string): Seeded {
  let state = 0
  for (const letter of text) state = (Math.imul(state, 31) + letter.charCodeAt(0)) | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { next, int: (bound) => Math.floor(next() * bound) }
}

/** Members of clusters by their place, ascending in index: places stay the same however often they are asked for. */
async function readMembers(app: App, projectId: string, runId: string, clusters: readonly number[]) {
  const vertices = await app.prisma.$queryRaw<PanelVertex[]>`
    /* drawAudit: members */
    SELECT "index", "itemId", "clusterIndex", "parentIndex", "parentProbability"::float8, "confidence"::float8 FROM "Vertex"
    WHERE "projectId" = ${projectId}::uuid AND "runId" = ${runId}::uuid AND "clusterIndex" = ANY(${[...clusters]}::int[])
    ORDER BY "clusterIndex", "index"`
  const members = new Map<number, PanelVertex[]>()
  for (const vertex of vertices) {
    const known = members.get(vertex.clusterIndex)
    if (known) known.push(vertex)
    else members.set(vertex.clusterIndex, [vertex])
  }
  return { members, byIndex: new Map(vertices.map((vertex) => [vertex.index, vertex])) }
}

/** Cosines of pairs, in order; 0 where one has no embedding. */
async function readSimilarities(app: App, projectId: string, pairs: readonly [string, string][]): Promise<number[]> {
  const space = await getActiveSpace(app, projectId)
  const column = (alias: string) => Prisma.raw(`${alias}."vector"::vector(${Math.trunc(space.dimension)})`)
  const rows = await app.prisma.$queryRaw<{ i: number; similarity: number }[]>`
    /* drawAudit: similarities */
    SELECT t.i::int AS i, 1 - (${column('a')} <=> ${column('b')}) AS similarity
    FROM unnest(${pairs.map(([a]) => a)}::uuid[], ${pairs.map(([, b]) => b)}::uuid[]) WITH ORDINALITY AS t(a, b, i)
    JOIN "Embedding" a ON a."projectId" = ${projectId}::uuid AND a."spaceId" = ${space.id}::uuid AND a."itemId" = t.a
    JOIN "Embedding" b ON b."projectId" = ${projectId}::uuid AND b."spaceId" = ${space.id}::uuid AND b."itemId" = t.b`
  const similarities = new Array<number>(pairs.length).fill(0)
  for (const { i, similarity } of rows) similarities[i - 1] = similarity
  return similarities
}

/**
 * The random share of a run's questions: links, pairs within clusters, pairs across likely merges, each in a random order
 * of its own. Answers that people have given already come with the question and are not asked again.
 */
export async function drawAudit(
  app: App,
  projectId: string,
  runId: string,
  decided: DecidedPairs,
): Promise<QueuedQuestion[]> {
  const clusters = await app.prisma.$queryRaw<ClusterRow[]>`
    /* drawAudit: clusters */ SELECT "index", "size" FROM "Cluster"
    WHERE "projectId" = ${projectId}::uuid AND "runId" = ${runId}::uuid AND "size" > 1 ORDER BY "index"`
  const merges = await app.prisma.$queryRaw<MergeRow[]>`
    /* drawAudit: merges */
    SELECT e."leftCluster" AS "left", e."rightCluster" AS "right", a."size" AS "leftSize", b."size" AS "rightSize",
      e."probability"::float8 AS "probability" FROM "MergeEdge" e
    JOIN "Cluster" a ON a."projectId" = e."projectId" AND a."runId" = e."runId" AND a."index" = e."leftCluster"
    JOIN "Cluster" b ON b."projectId" = e."projectId" AND b."runId" = e."runId" AND b."index" = e."rightCluster"
    WHERE e."projectId" = ${projectId}::uuid AND e."runId" = ${runId}::uuid ORDER BY 1, 2`
  const rng = seeded(runId)
  const pairs = [...drawWithin(clusters, rng), ...drawAcross(merges, rng)]
  const touched = [...new Set(pairs.flatMap(({ a, b }) => [a.cluster, b.cluster]))]
  const { members, byIndex } = await readMembers(app, projectId, runId, touched)
  const found = pairs.flatMap((pair) => {
    const [a, b] = [members.get(pair.a.cluster)?.[pair.a.place], members.get(pair.b.cluster)?.[pair.b.place]]
    return a && b ? [{ ...pair, a, b }] : []
  })
  const similarities = await readSimilarities(
    app,
    projectId,
    found.map(({ a, b }) => [a.itemId, b.itemId]),
  )
  const questions: QueuedQuestion[] = found.flatMap(({ stratum, a, b, weight, probability }, i): QueuedQuestion[] => {
    const similarity = similarities[i] ?? 0
    const common = { isAudit: true, stratum, weight, similarity } as const
    if (stratum === 'ACROSS') {
      const ends = { leftItemId: a.itemId, rightItemId: b.itemId, childIndex: a.index, parentIndex: b.index }
      return [{ kind: 'MERGE', ...ends, ...common, probability, priority: probability }]
    }
    const path = pathBetween(a, b, byIndex)
    if (!path || path.weakest.parentIndex === null) return []
    // If they differ, the side below the weakest link of their path leaves: its end is the left one.
    const isBelow = isUnder(a, path.weakest, byIndex)
    const ends = isBelow
      ? { leftItemId: a.itemId, rightItemId: b.itemId }
      : { leftItemId: b.itemId, rightItemId: a.itemId }
    const { index: childIndex, parentIndex } = path.weakest
    const { probability: together } = path
    return [
      { kind: 'EDGE', ...ends, childIndex, parentIndex, ...common, probability: together, priority: 1 - together },
    ]
  })
  const links = (await drawLinks(app, projectId, runId)).map(
    (link): QueuedQuestion => ({ ...link, isAudit: true, stratum: 'LINK', weight: 1 }),
  )
  const ranks = { LINK: 0, WITHIN: 0, ACROSS: 0 }
  const drawn = new Map<string, QueuedQuestion>()
  for (const question of [...links, ...questions]) {
    if (question.kind !== 'EDGE' && question.kind !== 'MERGE') continue
    const key = `${question.leftItemId}/${question.rightItemId}`
    // The same pair twice is one question; which stratum keeps it is settled by the order of drawing, not by its answer.
    if (drawn.has(key) || drawn.has(`${question.rightItemId}/${question.leftItemId}`)) continue
    const { stratum } = question as { stratum: keyof typeof ranks }
    drawn.set(key, { ...question, rank: ranks[stratum]++, settledVerdict: decided.verdictOf(question) })
  }
  return [...drawn.values()]
}

function isUnder(vertex: PanelVertex, top: PanelVertex, byIndex: ReadonlyMap<number, PanelVertex>): boolean {
  for (
    let at: PanelVertex | undefined = vertex;
    at;
    at = at.parentIndex === null ? undefined : byIndex.get(at.parentIndex)
  ) {
    if (at.index === top.index) return true
  }
  return false
}
