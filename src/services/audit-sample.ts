import type { AuditStratum, ReviewTaskState, ReviewVerdict } from '../generated/prisma/client.ts'
import type { App } from './app.ts'

/** A question of the random share, as far as it is known. */
export interface AuditRow {
  readonly runId: string
  readonly stratum: AuditStratum
  readonly rank: number
  /** WITHIN: pairs that share a cluster, in all. ACROSS: pairs this one stands for. */
  readonly weight: number
  readonly probability: number
  readonly verdict: ReviewVerdict | null
  readonly state: ReviewTaskState
  readonly settledAt: Date | null
}

/** A label of a sample, in random order. */
export interface AuditLabel extends AuditRow {
  /** Undefined where nobody could tell, or has answered yet: bounds count it as wrong. */
  readonly isSame: boolean | undefined
  /** When the sample had grown to include it. */
  readonly enteredAt: Date
}

/** Of a sample so many may lack an answer: people are at work on the questions around its end. */
const MOST_UNKNOWN = 0.05

/** Audit questions of the runs that have any answered, in their random order. */
export async function readAuditRows(app: App, projectId: string, runId?: string): Promise<AuditRow[]> {
  return app.prisma.$queryRaw<AuditRow[]>`
    /* readAuditRows */
    WITH reached AS (
      SELECT s."runId", s."auditStratum", max(s."auditRank") AS "rank" FROM "ReviewTask" s
      WHERE s."projectId" = ${projectId}::uuid AND s."auditStratum" IS NOT NULL AND s."settledVerdict" IS NOT NULL
        AND (${runId ?? null}::uuid IS NULL OR s."runId" = ${runId ?? null}::uuid)
      GROUP BY 1, 2)
    SELECT t."runId", t."auditStratum" AS "stratum", t."auditRank" AS "rank", t."auditWeight" AS "weight",
      t."probability"::float8 AS "probability", t."settledVerdict" AS "verdict", t."state", t."settledAt"
    FROM reached r
    JOIN "ReviewTask" t ON t."projectId" = ${projectId}::uuid AND t."runId" = r."runId"
      AND t."auditStratum" = r."auditStratum" AND t."auditRank" <= r."rank" + 1
    ORDER BY t."runId", t."auditStratum", t."auditRank"`
}

/**
 * The sample that the answers so far make of one stratum of one run: the longest beginning of its random order in which
 * at most 5 % lack an answer. Answers further on were reached by their priority and are no random sample. Invalid subjects
 * are left out: they are neither right nor wrong.
 */
export function sampleOf(rows: readonly AuditRow[]): AuditLabel[] {
  const labels: AuditLabel[] = []
  let unknown = 0
  let size = 0
  let enteredAt = new Date(0)
  for (const row of [...rows].sort((a, b) => a.rank - b.rank)) {
    if (row.verdict === 'INVALID_SUBJECT') continue
    const isSame = row.verdict === 'SAME' ? true : row.verdict === 'DIFFERENT' ? false : undefined
    if (isSame === undefined) unknown++
    else if (row.settledAt && row.settledAt > enteredAt) enteredAt = row.settledAt
    labels.push({ ...row, isSame, enteredAt })
    if (isSame !== undefined && unknown <= MOST_UNKNOWN * labels.length) size = labels.length
  }
  return labels.slice(0, size)
}
