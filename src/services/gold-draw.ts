import type { App } from './app.ts'
import type { PairQuestion, QueuedQuestion } from './review-questions.ts'

/** Gold questions of each answer; annotators meet each at most once. */
const MOST_EACH = 60

/**
 * Questions whose answer is certain, to measure annotators with: links and merges of the run between members that people
 * placed in identities they confirmed. They look like any other question of the run.
 */
export async function drawGold(app: App, projectId: string, runId: string): Promise<QueuedQuestion[]> {
  const same = await app.prisma.$queryRaw<PairQuestion[]>`
    /* drawGold: same */
    SELECT 'EDGE' AS "kind", v."itemId" AS "leftItemId", u."itemId" AS "rightItemId", v."index" AS "childIndex",
      u."index" AS "parentIndex", v."parentSimilarity"::float8 AS "similarity",
      v."parentProbability"::float8 AS "probability", v."impact" AS "priority"
    FROM "IdentityMember" m
    JOIN "Identity" i ON i."projectId" = m."projectId" AND i."id" = m."identityId" AND i."state" IN ('CONFIRMED', 'LOCKED')
    JOIN "Vertex" v ON v."projectId" = m."projectId" AND v."runId" = ${runId}::uuid AND v."itemId" = m."itemId"
    JOIN "Vertex" u ON u."projectId" = v."projectId" AND u."runId" = v."runId" AND u."index" = v."parentIndex"
    JOIN "IdentityMember" o ON o."projectId" = u."projectId" AND o."itemId" = u."itemId"
      AND o."identityId" = m."identityId" AND o."source" = 'HUMAN'
    WHERE m."projectId" = ${projectId}::uuid AND m."source" = 'HUMAN'
    ORDER BY md5(v."itemId"::text || ${runId}) LIMIT ${MOST_EACH}`
  const different = await app.prisma.$queryRaw<PairQuestion[]>`
    /* drawGold: different */
    SELECT 'MERGE' AS "kind", v."itemId" AS "leftItemId", u."itemId" AS "rightItemId", e."childIndex", e."parentIndex",
      e."similarity"::float8 AS "similarity", e."probability"::float8 AS "probability", e."priority"
    FROM "MergeEdge" e
    JOIN "Vertex" v ON v."projectId" = e."projectId" AND v."runId" = e."runId" AND v."index" = e."childIndex"
    JOIN "Vertex" u ON u."projectId" = e."projectId" AND u."runId" = e."runId" AND u."index" = e."parentIndex"
    JOIN "IdentityMember" m ON m."projectId" = v."projectId" AND m."itemId" = v."itemId" AND m."source" = 'HUMAN'
    JOIN "IdentityMember" o ON o."projectId" = u."projectId" AND o."itemId" = u."itemId" AND o."source" = 'HUMAN'
    JOIN "Identity" i ON i."projectId" = m."projectId" AND i."id" = m."identityId" AND i."state" IN ('CONFIRMED', 'LOCKED')
    JOIN "Identity" j ON j."projectId" = o."projectId" AND j."id" = o."identityId" AND j."state" IN ('CONFIRMED', 'LOCKED')
    WHERE e."projectId" = ${projectId}::uuid AND e."runId" = ${runId}::uuid AND m."identityId" <> o."identityId"
    ORDER BY md5(v."itemId"::text || ${runId}) LIMIT ${MOST_EACH}`
  return [
    ...same.map((question): QueuedQuestion => ({ ...question, goldVerdict: 'SAME' })),
    ...different.map((question): QueuedQuestion => ({ ...question, goldVerdict: 'DIFFERENT' })),
  ]
}
