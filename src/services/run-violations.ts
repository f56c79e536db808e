import { Prisma } from '../generated/prisma/client.ts'
import type { Tx } from './app.ts'
import type { Ref } from './id.ts'

/**
 * How many active human constraints a run's clusters break: must-links across two clusters, cannot-links and exclusions
 * within one. Items that are newer than the run count for nothing, and exclusion wins over a must-link.
 */
export async function countViolations(tx: Pick<Tx, '$queryRaw'>, run: Ref): Promise<number> {
  const [row] = await tx.$queryRaw<{ n: number }[]>`/* countViolations */ ${violationsOf(run)}`
  return row?.n ?? 0
}

/** The query of that number, to be part of another statement. */
export const violationsOf = ({ projectId, id: runId }: Ref): Prisma.Sql => Prisma.sql`
    SELECT count(*)::int AS n FROM "Constraint" x
    JOIN "Vertex" a ON a."projectId" = x."projectId" AND a."runId" = ${runId}::uuid AND a."itemId" = x."leftItemId"
    LEFT JOIN "Vertex" b ON b."projectId" = x."projectId" AND b."runId" = ${runId}::uuid AND b."itemId" = x."rightItemId"
    LEFT JOIN "Cluster" c ON c."projectId" = x."projectId" AND c."runId" = ${runId}::uuid AND c."index" = a."clusterIndex"
    WHERE x."projectId" = ${projectId}::uuid AND x."revokedById" IS NULL AND (
      (x."kind" = 'MUST_LINK' AND a."clusterIndex" <> b."clusterIndex" AND NOT EXISTS (
        SELECT 1 FROM "Constraint" e WHERE e."projectId" = x."projectId" AND e."kind" = 'EXCLUDED'
          AND e."revokedById" IS NULL AND e."leftItemId" IN (x."leftItemId", x."rightItemId")))
      OR (x."kind" = 'CANNOT_LINK' AND a."clusterIndex" = b."clusterIndex")
      OR (x."kind" = 'EXCLUDED' AND c."size" > 1))`
