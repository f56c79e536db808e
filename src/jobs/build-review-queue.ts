import type { App } from '../services/app.ts'
import { newId } from '../services/id.ts'
import { keepUndecided, type PanelVertex, panelsOf, type Question, questionKey } from '../services/review-questions.ts'
import { reviewQueueJob } from '../services/review-queue-build.ts'
import { readLedger } from '../services/run-constraints.ts'
import { implementJob } from './implement-job.ts'

/** Questions of each kind that a run puts in the queue: far more than a team answers before the next run. */
const MAX_QUESTIONS = 2_000
/** Of these many questions one is drawn by chance, whatever its priority: only they may feed quality and calibration. */
const AUDIT_ONE_IN = 14
/** Questions that remove less than this many expected wrong pairs are not worth a person's time. */
const MIN_PRIORITY = 0.05

async function findEdgeQuestions(app: App, projectId: string, runId: string): Promise<Question[]> {
  return app.prisma.$queryRaw<Question[]>`
    /* findEdgeQuestions */
    SELECT 'EDGE' AS "kind", v."itemId" AS "leftItemId", u."itemId" AS "rightItemId", v."index" AS "childIndex",
      u."index" AS "parentIndex", v."parentSimilarity" AS "similarity", v."parentProbability" AS "probability",
      v."impact" AS "priority"
    FROM "Vertex" v JOIN "Vertex" u ON u."projectId" = v."projectId" AND u."runId" = v."runId" AND u."index" = v."parentIndex"
    WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid AND v."impact" >= ${MIN_PRIORITY}
    ORDER BY v."impact" DESC, v."index" LIMIT ${4 * MAX_QUESTIONS}`
}

async function findMergeQuestions(app: App, projectId: string, runId: string): Promise<Question[]> {
  return app.prisma.$queryRaw<Question[]>`
    /* findMergeQuestions */
    SELECT 'MERGE' AS "kind", v."itemId" AS "leftItemId", u."itemId" AS "rightItemId", e."childIndex", e."parentIndex",
      e."similarity", e."probability", e."priority"
    FROM "MergeEdge" e
    JOIN "Vertex" v ON v."projectId" = e."projectId" AND v."runId" = e."runId" AND v."index" = e."childIndex"
    JOIN "Vertex" u ON u."projectId" = e."projectId" AND u."runId" = e."runId" AND u."index" = e."parentIndex"
    WHERE e."projectId" = ${projectId}::uuid AND e."runId" = ${runId}::uuid AND e."priority" >= ${MIN_PRIORITY}
    ORDER BY e."priority" DESC, e."leftCluster", e."rightCluster" LIMIT ${4 * MAX_QUESTIONS}`
}

/** Edges drawn evenly from all of the run: the unbiased share. Hashing by run keeps the draw the same on a second attempt. */
async function drawAudit(app: App, projectId: string, runId: string, count: number): Promise<Question[]> {
  return app.prisma.$queryRaw<Question[]>`
    /* drawAudit */
    SELECT 'EDGE' AS "kind", v."itemId" AS "leftItemId", u."itemId" AS "rightItemId", v."index" AS "childIndex",
      u."index" AS "parentIndex", v."parentSimilarity" AS "similarity", v."parentProbability" AS "probability",
      v."impact" AS "priority"
    FROM "Vertex" v JOIN "Vertex" u ON u."projectId" = v."projectId" AND u."runId" = v."runId" AND u."index" = v."parentIndex"
    WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid
    ORDER BY md5(v."itemId"::text || ${runId}) LIMIT ${count}`
}

/**
 * Puts the questions of a published run in the queue and closes those of earlier runs. A question that was answered once
 * keeps its key, and is never asked again.
 */
export const buildReviewQueue = implementJob(reviewQueueJob, async ({ app, job, payload, signal, progress }) => {
  const { projectId } = job
  const { runId } = payload
  progress('questions')
  const { constraints } = await readLedger(app, projectId)
  const undecided = async (found: Promise<Question[]>, most: number) =>
    keepUndecided(await found, constraints).slice(0, most)
  const edges = await undecided(findEdgeQuestions(app, projectId, runId), MAX_QUESTIONS)
  const merges = await undecided(findMergeQuestions(app, projectId, runId), MAX_QUESTIONS)
  const ordered = [...edges, ...merges].sort((a, b) => b.priority - a.priority)
  const auditCount = Math.ceil(ordered.length / AUDIT_ONE_IN)
  const asked = new Set(ordered.map(questionKey))
  const audit = (await undecided(drawAudit(app, projectId, runId, auditCount), auditCount))
    .filter((question) => !asked.has(questionKey(question)))
    // Spread through the queue, so that they are answered along with the others.
    .map((question, i) => ({ ...question, priority: ordered[i * AUDIT_ONE_IN]?.priority ?? question.priority }))
  const questions = [...ordered.map((q) => ({ ...q, isAudit: false })), ...audit.map((q) => ({ ...q, isAudit: true }))]
  signal.throwIfAborted()

  progress('panels')
  const ends = questions.flatMap(({ childIndex, parentIndex }) => [childIndex, parentIndex])
  const vertices = await app.prisma.$queryRaw<PanelVertex[]>`
    /* buildReviewQueue: panels */
    SELECT v."index", v."itemId", v."clusterIndex", v."parentIndex", v."confidence" FROM "Vertex" v
    WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid AND v."clusterIndex" IN (
      SELECT DISTINCT x."clusterIndex" FROM "Vertex" x
      WHERE x."projectId" = ${projectId}::uuid AND x."runId" = ${runId}::uuid AND x."index" = ANY(${ends}::int[]))`
  const byIndex = new Map(vertices.map((vertex) => [vertex.index, vertex]))
  const members = new Map<number, PanelVertex[]>()
  for (const vertex of vertices) {
    const known = members.get(vertex.clusterIndex)
    if (known) known.push(vertex)
    else members.set(vertex.clusterIndex, [vertex])
  }
  const rows = questions.map((question) => {
    const [left, right] = panelsOf(question, byIndex, members)
    return {
      ...question,
      id: newId(),
      questionKey: questionKey(question),
      panels: { left, right },
    }
  })
  signal.throwIfAborted()

  progress('store', 0, rows.length)
  await app.prisma.$transaction(
    async (tx) => {
      await tx.$executeRaw`
        /* buildReviewQueue: close */
        UPDATE "ReviewTask" SET "state" = 'OBSOLETE', "leaseExpiresAt" = NULL, "revision" = "revision" + 1,
          "updatedAt" = now()
        WHERE "projectId" = ${projectId}::uuid AND "runId" <> ${runId}::uuid
          AND ("state" = 'PENDING' OR ("state" = 'LEASED' AND "leaseExpiresAt" < now()))`
      await tx.$executeRaw`
        /* buildReviewQueue: questions */
        INSERT INTO "ReviewTask" ("projectId", "id", "kind", "priority", "runId", "questionKey", "leftItemId",
          "rightItemId", "leftIdentityId", "rightIdentityId", "childIndex", "parentIndex", "similarity", "probability",
          "panels", "isAudit")
        SELECT ${projectId}::uuid, q."id", q."kind"::"ReviewTaskKind", q."priority", ${runId}::uuid, q."questionKey",
          q."leftItemId", q."rightItemId", l."identityId", r."identityId", q."childIndex", q."parentIndex",
          q."similarity", q."probability", q."panels", q."isAudit"
        FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS q("id" uuid, "kind" text, "priority" float8,
          "questionKey" text, "leftItemId" uuid, "rightItemId" uuid, "childIndex" int, "parentIndex" int,
          "similarity" real, "probability" real, "panels" jsonb, "isAudit" boolean)
        LEFT JOIN "IdentityMember" l ON l."projectId" = ${projectId}::uuid AND l."itemId" = q."leftItemId"
        LEFT JOIN "IdentityMember" r ON r."projectId" = ${projectId}::uuid AND r."itemId" = q."rightItemId"
        ON CONFLICT ("projectId", "questionKey") DO UPDATE SET "state" = 'PENDING', "runId" = excluded."runId",
          "priority" = excluded."priority", "probability" = excluded."probability", "similarity" = excluded."similarity",
          "leftIdentityId" = excluded."leftIdentityId", "rightIdentityId" = excluded."rightIdentityId",
          "leftItemId" = excluded."leftItemId", "rightItemId" = excluded."rightItemId",
          "childIndex" = excluded."childIndex", "parentIndex" = excluded."parentIndex", "panels" = excluded."panels",
          "isAudit" = excluded."isAudit", "assigneeId" = NULL, "revision" = "ReviewTask"."revision" + 1, "updatedAt" = now()
        WHERE "ReviewTask"."state" = 'OBSOLETE'`
    },
    { timeout: 120_000, maxWait: 30_000 },
  )
  progress('store', rows.length, rows.length)
})
