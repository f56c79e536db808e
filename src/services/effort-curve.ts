import { estimateQuality } from '../engine/index.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { type AuditLabel, type AuditRow, readAuditRows, sampleOf } from './audit-sample.ts'
import { invalid } from './errors.ts'

export interface Estimate {
  value: number
  low: number
  high: number
  sampleSize: number
}

/** One point of the effort-to-quality curve. */
export interface EffortPoint {
  answers: number
  activeSeconds: number
  precision: Estimate
  recall: Estimate
}

const MAX_POINTS = 500
/** Answers of each stratum that make a point: the latest ones, so that the curve shows what has changed. */
const WINDOW = 60
/** A person who looks longer than this at one question has left the desk. */
const LONGEST_LOOK_MS = 120_000

/** Of one run and stratum, in the order in which they came to be known. */
function samplesOf(rows: readonly AuditRow[]): AuditLabel[] {
  const groups = new Map<string, AuditRow[]>()
  for (const row of rows) {
    const key = `${row.runId}/${row.stratum}`
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  return [...groups.values()].flatMap(sampleOf).sort((a, b) => a.enteredAt.getTime() - b.enteredAt.getTime())
}

/**
 * What a label says of the partition at its moment. A pair within a cluster that other decisions have parted says nothing
 * of pairs that are together; one across that they have joined says nothing of pairs that are apart.
 */
const counts = ({ stratum, state, isSame }: AuditLabel): boolean =>
  isSame !== undefined && (state !== 'OBSOLETE' || isSame === (stratum === 'WITHIN'))

/**
 * Estimated quality against effort so far, oldest first, at most `last` points; empty until audit questions are answered.
 * Only the random share of the queue feeds it: answers from an ordered queue are biased. Whoever sees the project.
 */
export async function listEffortPoints(
  app: App,
  viewer: Viewer,
  projectId: string,
  last: number,
): Promise<EffortPoint[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  if (last < 1 || last > MAX_POINTS) throw invalid(`last must be 1 to ${MAX_POINTS}: got ${last}`, 'last')
  const labels = samplesOf(await readAuditRows(app, projectId)).filter(
    (label) => label.stratum !== 'LINK' && counts(label),
  )
  if (labels.length === 0) return []
  const ends = pickEnds(labels, last)
  const effort = await readEffort(
    app,
    projectId,
    ends.map((end) => (labels[end] as AuditLabel).enteredAt),
  )
  return ends.map((end, i) => ({
    ...(effort[i] as { answers: number; activeSeconds: number }),
    ...qualityAt(labels, end),
  }))
}

/** Evenly over the labels, the last one always, one at most for a moment. */
function pickEnds(labels: readonly AuditLabel[], last: number): number[] {
  const distinct = labels.flatMap(({ enteredAt }, i) =>
    enteredAt.getTime() === labels[i + 1]?.enteredAt.getTime() ? [] : [i],
  )
  const count = Math.min(last, distinct.length)
  return Array.from({ length: count }, (_, i) => distinct[Math.ceil(((i + 1) * distinct.length) / count) - 1] as number)
}

function qualityAt(labels: readonly AuditLabel[], end: number): { precision: Estimate; recall: Estimate } {
  const { runId } = labels[end] as AuditLabel
  // Another run is another partition: its answers are not mixed in.
  const before = labels.slice(0, end + 1).filter((label) => label.runId === runId)
  const within = before.filter(({ stratum }) => stratum === 'WITHIN').slice(-WINDOW)
  const across = before.filter(({ stratum }) => stratum === 'ACROSS').slice(-WINDOW)
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
  return estimateQuality({
    within: within.map(({ isSame }) => isSame === true),
    across: across.map(({ isSame, weight }) => ({ isSame: isSame === true, weight })),
    withinPairs: within.at(-1)?.weight ?? 0,
    acrossPairs: mean(across.map(({ weight }) => weight)),
  })
}

/** Answers and seconds up to each of some moments, ascending: one pass over the answers. */
async function readEffort(app: App, projectId: string, moments: readonly Date[]) {
  const rows = await app.prisma.$queryRaw<{ bucket: number; answers: number; ms: number }[]>`
    /* readEffort */
    SELECT width_bucket(a."answeredAt", ${[...moments]}::timestamptz[] )::int AS "bucket", count(*)::int AS "answers",
      sum(least(a."durationMs", ${LONGEST_LOOK_MS}))::float8 AS "ms"
    FROM "ReviewAnswer" a WHERE a."projectId" = ${projectId}::uuid GROUP BY 1 ORDER BY 1`
  // width_bucket puts what is at a moment above it: answers of the same transaction carry the same moment.
  let [answers, ms] = [0, 0]
  return moments.map((_, i) => {
    for (const row of rows.filter(({ bucket }) => bucket === i)) {
      answers += row.answers
      ms += row.ms
    }
    return { answers, activeSeconds: Math.round(ms / 1000) }
  })
}

/** Whether going on is worth people's time. */
export interface StopSuggestion {
  isSuggested: boolean
  reason: string
  recentAnswers: number
  recentChanges: number
  openQuestions: number
  openExpectedWrongPairs: number
}

/** Answers that tell whether asking still changes anything. */
const RECENT = 50
/** Fewer changes than this share of them are not worth the asking. */
const LEAST_YIELD = 0.02

/**
 * Suggests to stop once fewer than 2 % of the last 50 answers from the ordered queue said anything else than the model had
 * proposed, or when nothing is left to ask. Whoever sees the project.
 */
export async function suggestStop(app: App, viewer: Viewer, projectId: string): Promise<StopSuggestion> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const [row] = await app.prisma.$queryRaw<[{ recent: number; changes: number; open: number; wrong: number }]>`
    /* suggestStop */
    WITH recent AS (
      SELECT (t."kind" IN ('MERGE', 'ASSIGN')) = (a."verdict" = 'SAME') AS "isChange" FROM "ReviewAnswer" a
      JOIN "ReviewTask" t ON t."projectId" = a."projectId" AND t."id" = a."taskId"
      WHERE a."projectId" = ${projectId}::uuid AND NOT t."isAudit" AND t."goldVerdict" IS NULL
        AND a."verdict" IN ('SAME', 'DIFFERENT')
      ORDER BY a."answeredAt" DESC LIMIT ${RECENT}),
    open AS (
      SELECT count(*)::int AS n, coalesce(sum("priority"), 0)::float8 AS wrong FROM "ReviewTask"
      WHERE "projectId" = ${projectId}::uuid AND "state" IN ('PENDING', 'LEASED', 'ANSWERED', 'DISPUTED')
        AND "goldVerdict" IS NULL AND NOT "isAudit")
    SELECT (SELECT count(*)::int FROM recent) AS "recent", (SELECT count(*)::int FROM recent WHERE "isChange") AS "changes",
      open.n AS "open", open.wrong FROM open`
  const { recent, changes, open, wrong } = row as { recent: number; changes: number; open: number; wrong: number }
  const facts = { recentAnswers: recent, recentChanges: changes, openQuestions: open, openExpectedWrongPairs: wrong }
  if (open === 0) return { isSuggested: true, reason: 'No question is open.', ...facts }
  if (recent < RECENT) {
    const reason = `Too few answers to tell: ${recent} of ${RECENT}.`
    return { isSuggested: false, reason, ...facts }
  }
  const isSuggested = changes < LEAST_YIELD * RECENT
  const reason = isSuggested
    ? `None of the last ${RECENT} answers changed anything.`
    : `${changes} of the last ${RECENT} answers changed something.`
  return { isSuggested, reason, ...facts }
}
