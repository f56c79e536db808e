import { z } from 'zod'
import type { ImportConflict, Job } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { recordAudit } from './audit.ts'
import { onceOnly } from './idempotency.ts'
import { checkImportAddress } from './import-source.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'

/** Reads a manifest, an archive or a folder and stores its items, embeddings and labels. */
export const importJob = defineJob({
  name: 'import',
  payload: z.object({
    manifestUrl: z.string(),
    onExisting: z.enum(['REJECT', 'SKIP', 'REPLACE']),
    requestId: z.string(),
  }),
  maxAttempts: 5,
})

export interface StartImport {
  projectId: string
  manifestUrl: string
  onExisting: ImportConflict
  idempotencyKey: string
}

/** Begins an import: returns as soon as it is queued. ENGINEER and above. Rows that fail are listed, not fatal. */
export async function startImport(app: App, viewer: Viewer, input: StartImport): Promise<Job> {
  const { projectId, manifestUrl, onExisting } = input
  await requireAccess(app, viewer, projectId, 'import.start')
  // Looked at now, so that a wrong address is refused here and not in a job minutes later.
  await checkImportAddress(app, projectId, manifestUrl)
  const { jobId } = await onceOnly(app, viewer, 'startImport', input, async (tx) => {
    const payload = { manifestUrl, onExisting, requestId: viewer.requestId }
    const job = await enqueueJob(tx, app, importJob, { projectId, payload, createdById: viewer.userId })
    await recordAudit(tx, viewer, { projectId, action: 'import.started', target: ['Job', job.id] })
    return { jobId: job.id }
  })
  return app.prisma.job.findUniqueOrThrow({ where: { projectId_id: { projectId, id: jobId } } })
}
