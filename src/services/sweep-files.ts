import type { App } from './app.ts'
import { recordAudit } from './audit.ts'
import { findUsedFiles } from './file-use.ts'
import { STAGED_SCHEME, uploadDeadline } from './uploads.ts'

/** Files that are looked at together. */
const BATCH = 200
/** A file that was put this lately may be wanted by a row that is not written yet. */
const GRACE_MS = 3_600_000

interface Swept {
  readonly id: string
  readonly fileKey: string
}

/** Deletes those that nothing refers to and nobody has put lately; returns the keys that are settled: gone, or in use by others. */
async function deleteUnused(app: App, kind: 'upload' | 'temporary', keys: readonly string[]): Promise<Set<string>> {
  const used = await findUsedFiles(app, keys)
  const settled = new Set(used)
  let deleted = 0
  for (const key of keys) {
    if (used.has(key)) continue
    const writtenAt = await app.files.writtenAt(key)
    if (writtenAt && app.clock.now().getTime() - writtenAt.getTime() < GRACE_MS) continue
    if (writtenAt) {
      await app.files.delete(key)
      deleted++
    }
    settled.add(key)
  }
  app.metrics.countSweptFiles(kind, deleted)
  return settled
}

/**
 * Uploads that have had their time: first they can be named no more, then their files go, then the rows say so. Each step
 * can be taken again after a crash. An import that began before the deadline holds the uploads of its project.
 */
async function sweepUploads(app: App, projectId: string): Promise<void> {
  const deadline = uploadDeadline(app)
  await app.prisma.$executeRaw`
    /* sweepUploads: expire */ UPDATE "Upload" u SET "expiredAt" = ${app.clock.now()}
    WHERE u."projectId" = ${projectId}::uuid AND u."expiredAt" IS NULL AND u."createdAt" < ${deadline}
      AND NOT EXISTS (
        SELECT 1 FROM "Job" j WHERE j."projectId" = u."projectId" AND j."kind" = 'import'
          AND j."state" IN ('QUEUED', 'RUNNING', 'CANCELING')
          AND starts_with(j."payload"->>'manifestUrl', ${STAGED_SCHEME})
          AND j."createdAt" <= u."createdAt" + ${app.config.uploadRetentionHours} * interval '1 hour')`
  for (let after = ''; ; ) {
    const due = await app.prisma.upload.findMany({
      where: { projectId, expiredAt: { not: null }, fileKey: { not: null }, ...(after && { id: { gt: after } }) },
      orderBy: { id: 'asc' },
      take: BATCH,
    })
    if (due.length === 0) return
    after = (due.at(-1) as Swept).id
    const settled = await deleteUnused(app, 'upload', [...new Set(due.map(({ fileKey }) => fileKey as string))])
    const gone = due.filter(({ fileKey }) => settled.has(fileKey as string))
    if (gone.length === 0) continue
    await app.prisma.$transaction(async (tx) => {
      const ids = gone.map(({ id }) => id)
      await tx.upload.updateMany({ where: { projectId, id: { in: ids } }, data: { fileKey: null } })
      const system = { userId: null, requestId: `sweep-${ids[0]}` }
      const detail = { count: gone.length, uploadIds: ids }
      await recordAudit(tx, system, { projectId, action: 'upload.expired', target: ['Project', projectId], detail })
    })
  }
}

/** What jobs that have ended fetched or unpacked; what an upload held before, once no import is under way that may read it. */
async function sweepTemporaryFiles(app: App, projectId: string): Promise<void> {
  for (let after = ''; ; ) {
    const due = await app.prisma.$queryRaw<{ fileKey: string; ownerId: string }[]>`
      /* sweepTemporaryFiles */ SELECT t."fileKey", t."ownerId" FROM "TemporaryFile" t
      WHERE t."projectId" = ${projectId}::uuid AND t."fileKey" > ${after} AND NOT EXISTS (
        SELECT 1 FROM "Job" j WHERE j."projectId" = t."projectId" AND j."state" IN ('QUEUED', 'RUNNING', 'CANCELING')
          AND (j."id" = t."ownerId" OR (j."kind" = 'import' AND NOT EXISTS (
            SELECT 1 FROM "Job" o WHERE o."projectId" = t."projectId" AND o."id" = t."ownerId"))))
      ORDER BY t."fileKey" LIMIT ${BATCH}`
    if (due.length === 0) return
    after = (due.at(-1) as { fileKey: string }).fileKey
    const settled = [...(await deleteUnused(app, 'temporary', [...new Set(due.map(({ fileKey }) => fileKey))]))]
    const ownerId = { in: due.map((file) => file.ownerId) }
    await app.prisma.temporaryFile.deleteMany({ where: { projectId, fileKey: { in: settled }, ownerId } })
  }
}

/** Deletes the files of uploads that have had their time, and those that jobs which have ended made for themselves. */
export async function sweepFiles(app: App): Promise<void> {
  for (const { id: projectId } of await app.prisma.project.findMany({ select: { id: true } })) {
    await sweepUploads(app, projectId)
    await sweepTemporaryFiles(app, projectId)
  }
}
