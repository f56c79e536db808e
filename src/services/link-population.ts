import { Prisma } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'

/** Steps of a probability that count as different: a threshold on a finer scale means nothing. */
const STEPS = 10_000

/**
 * The links that a threshold is about: tree edges `v` of a run with at least one end that no person had placed when the
 * run was made. The others were decided before, and would make the model look better than it is.
 */
export const openLinks = (projectId: string, runId: string): Prisma.Sql => Prisma.sql`
  placed AS (
    SELECT unnest(ARRAY[x."leftItemId", x."rightItemId"]) AS "itemId" FROM "Constraint" x
    JOIN "Decision" d ON d."projectId" = x."projectId" AND d."id" = x."decisionId"
    JOIN "ClusterRun" r ON r."projectId" = x."projectId" AND r."id" = ${runId}::uuid
      AND d."ledgerRevision" <= r."ledgerRevision"
    WHERE x."projectId" = ${projectId}::uuid AND x."kind" = 'MUST_LINK'),
  links AS (
    SELECT v."index" AS "childIndex", u."index" AS "parentIndex", v."itemId" AS "leftItemId", u."itemId" AS "rightItemId",
      v."parentSimilarity" AS "similarity", v."parentProbability" AS "probability", v."impact"
    FROM "Vertex" v
    JOIN "Vertex" u ON u."projectId" = v."projectId" AND u."runId" = v."runId" AND u."index" = v."parentIndex"
    WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid
      AND (v."itemId" NOT IN (SELECT "itemId" FROM placed WHERE "itemId" IS NOT NULL)
        OR u."itemId" NOT IN (SELECT "itemId" FROM placed WHERE "itemId" IS NOT NULL)))`

/** The probability of every such link, float64, ascending, rounded down to a ten-thousandth. */
export async function readLinkProbabilities(
  { prisma }: { prisma: App['prisma'] | Tx },
  projectId: string,
  runId: string,
): Promise<Float64Array> {
  const rows = await prisma.$queryRaw<{ step: number; n: number }[]>`
    /* readLinkProbabilities */ WITH ${openLinks(projectId, runId)}
    SELECT floor("probability" * ${STEPS})::int AS "step", count(*)::int AS n FROM links GROUP BY 1 ORDER BY 1`
  const probabilities = new Float64Array(rows.reduce((sum, { n }) => sum + n, 0))
  let at = 0
  for (const { step, n } of rows) {
    probabilities.fill(step / STEPS, at, at + n)
    at += n
  }
  return probabilities
}
