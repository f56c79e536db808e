import type { App } from './app.ts'

/**
 * Which of these files something refers to, in any project: equal content is one file, whoever stored it. Temporary files
 * count while the job that owns them has not ended, uploads until they have expired.
 */
export async function findUsedFiles(app: App, fileKeys: readonly string[]): Promise<Set<string>> {
  const used = new Set<string>()
  if (fileKeys.length === 0) return used
  const keys = [...fileKeys]
  for (const { id: projectId } of await app.prisma.project.findMany({ select: { id: true } })) {
    const rows = await app.prisma.$queryRaw<{ key: string }[]>`
      /* findUsedFiles */
      WITH project AS (SELECT ${projectId}::uuid AS id, ${keys}::text[] AS keys),
      underway AS (
        SELECT j."id", j."checkpoint"::text AS checkpoint FROM "Job" j, project p
        WHERE j."projectId" = p.id AND j."state" IN ('QUEUED', 'RUNNING', 'CANCELING'))
      SELECT "imageKey" AS key FROM "Item", project p WHERE "projectId" = p.id AND "imageKey" = ANY(p.keys)
      UNION SELECT "fileKey" FROM "Upload", project p
        WHERE "projectId" = p.id AND "fileKey" = ANY(p.keys) AND "expiredAt" IS NULL
      UNION SELECT "fileKey" FROM "ExportFile", project p WHERE "projectId" = p.id AND "fileKey" = ANY(p.keys)
      UNION SELECT "manifestKey" FROM "DatasetVersion", project p WHERE "projectId" = p.id AND "manifestKey" = ANY(p.keys)
      UNION SELECT "weightsKey" FROM "ModelVersion", project p WHERE "projectId" = p.id AND "weightsKey" = ANY(p.keys)
      UNION SELECT "failedRowsFileKey" FROM "Job", project p
        WHERE "projectId" = p.id AND "failedRowsFileKey" = ANY(p.keys)
      UNION SELECT "fileKey" FROM "TemporaryFile", project p
        WHERE "projectId" = p.id AND "fileKey" = ANY(p.keys) AND "ownerId" IN (SELECT "id" FROM underway)
      UNION SELECT k FROM project p, unnest(p.keys) k, underway WHERE position(k IN underway.checkpoint) > 0`
    for (const { key } of rows) used.add(key)
  }
  return used
}
