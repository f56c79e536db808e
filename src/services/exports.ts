import { z } from 'zod'
import type { Export, ExportFile, ExportFormat } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { recordAudit } from './audit.ts'
import { DomainError, notFound } from './errors.ts'
import { newId } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'

/** Writes the files of one export. */
export const exportJob = defineJob({
  name: 'export',
  payload: z.object({ exportId: z.uuid() }),
  maxAttempts: 5,
})

export interface CreateExport {
  projectId: string
  datasetVersionId: string
  format: ExportFormat
  includeEmbeddings: boolean
  idempotencyKey: string
}

/** Begins to write a frozen snapshot to files. ENGINEER and above. */
export async function createExport(app: App, viewer: Viewer, input: CreateExport): Promise<Export> {
  const { projectId, datasetVersionId, format, includeEmbeddings } = input
  await requireAccess(app, viewer, projectId, 'export.create')
  const { exportId } = await onceOnly(app, viewer, 'createExport', input, async (tx) => {
    const version = await tx.datasetVersion.findUnique({ where: { projectId_id: { projectId, id: datasetVersionId } } })
    if (!version) throw notFound('dataset version', datasetVersionId)
    if (!version.manifestKey) {
      throw new DomainError('INVALID_STATE', `dataset version ${version.tag} is not frozen yet: wait for its job`)
    }
    const id = newId()
    const job = await enqueueJob(tx, app, exportJob, {
      projectId,
      payload: { exportId: id },
      createdById: viewer.userId,
      total: version.itemCount,
    })
    await tx.export.create({
      data: { projectId, id, datasetVersionId, format, includeEmbeddings, jobId: job.id, createdById: viewer.userId },
    })
    await recordAudit(tx, viewer, { projectId, action: 'export.created', target: ['Export', id], detail: { format } })
    return { exportId: id }
  })
  return app.prisma.export.findUniqueOrThrow({ where: { projectId_id: { projectId, id: exportId } } })
}

/** Files of exports, by export: empty until the job has succeeded. */
export async function findExportFiles(
  app: App,
  projectId: string,
  exportIds: readonly string[],
): Promise<Map<string, ExportFile[]>> {
  const rows = await app.prisma.exportFile.findMany({
    where: { projectId, exportId: { in: [...exportIds] } },
    orderBy: { part: 'asc' },
  })
  const byExport = new Map<string, ExportFile[]>(exportIds.map((id) => [id, []]))
  for (const row of rows) byExport.get(row.exportId)?.push(row)
  return byExport
}

/** Exports made of a snapshot, newest first. */
export async function listExports(
  app: App,
  viewer: Viewer,
  projectId: string,
  datasetVersionId: string,
): Promise<Export[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  return app.prisma.export.findMany({ where: { projectId, datasetVersionId }, orderBy: { id: 'desc' } })
}
