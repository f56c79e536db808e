import { shareInterval } from '../engine/index.ts'
import { hasPermission, requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import type { Estimate } from './effort-curve.ts'

/** Effort and quality of one annotator. */
export interface AnnotatorStats {
  userId: string
  answers: number
  medianDurationMs: number
  goldAccuracy: Estimate | null
  agreement: Estimate | null
}

interface StatsRow {
  userId: string
  answers: number
  medianDurationMs: number
  gold: number
  goldRight: number
  shared: number
  agreed: number
}

const share = (right: number, n: number): Estimate | null => (n === 0 ? null : { ...shareInterval(right, n) })

/**
 * Annotators by answers given. REVIEWER and above see everybody, others their own row. Accuracy counts firm answers to
 * hidden gold tasks; agreement compares each firm answer with those of other people to the same task.
 */
export async function listAnnotatorStats(app: App, viewer: Viewer, projectId: string): Promise<AnnotatorStats[]> {
  const role = await requireAccess(app, viewer, projectId, 'project.read')
  const only = hasPermission(role, 'review.adjudicate') ? null : viewer.userId
  const rows = await app.prisma.$queryRaw<StatsRow[]>`
    /* listAnnotatorStats */
    WITH given AS (
      SELECT a."actorId", a."taskId", a."verdict", a."durationMs", a."outlierItemIds", a."identityId", t."goldVerdict",
        a."verdict" IN ('SAME', 'DIFFERENT') AS "isFirm"
      FROM "ReviewAnswer" a JOIN "ReviewTask" t ON t."projectId" = a."projectId" AND t."id" = a."taskId"
      WHERE a."projectId" = ${projectId}::uuid),
    totals AS (
      SELECT "actorId", count(*)::int AS "answers",
        percentile_cont(0.5) WITHIN GROUP (ORDER BY "durationMs")::int AS "medianDurationMs",
        (count(*) FILTER (WHERE "goldVerdict" IS NOT NULL AND "isFirm"))::int AS "gold",
        (count(*) FILTER (WHERE "goldVerdict" = "verdict"))::int AS "goldRight"
      FROM given WHERE ${only}::uuid IS NULL OR "actorId" = ${only}::uuid GROUP BY 1),
    pairs AS (
      SELECT a."actorId", count(*)::int AS "shared",
        (count(*) FILTER (WHERE a."verdict" = b."verdict" AND a."identityId" IS NOT DISTINCT FROM b."identityId"
          AND a."outlierItemIds" @> b."outlierItemIds" AND b."outlierItemIds" @> a."outlierItemIds"))::int AS "agreed"
      FROM given a JOIN given b ON b."taskId" = a."taskId" AND b."actorId" <> a."actorId"
      WHERE a."isFirm" AND b."isFirm" AND a."goldVerdict" IS NULL
        AND (${only}::uuid IS NULL OR a."actorId" = ${only}::uuid) GROUP BY 1)
    SELECT t."actorId" AS "userId", t."answers", t."medianDurationMs", t."gold", t."goldRight",
      coalesce(p."shared", 0) AS "shared", coalesce(p."agreed", 0) AS "agreed"
    FROM totals t LEFT JOIN pairs p ON p."actorId" = t."actorId" ORDER BY t."answers" DESC, t."actorId"`
  return rows.map(({ userId, answers, medianDurationMs, gold, goldRight, shared, agreed }) => ({
    userId,
    answers,
    medianDurationMs,
    goldAccuracy: share(goldRight, gold),
    agreement: share(agreed, shared),
  }))
}
