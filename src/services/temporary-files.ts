import type { App, Tx } from './app.ts'

/** Notes a file that its owner (a job, or an upload that was sent again) needs for a time only: see `sweepFiles`. */
export async function noteTemporaryFile(tx: Tx, projectId: string, fileKey: string, ownerId: string): Promise<void> {
  await tx.$executeRaw`
    /* noteTemporaryFile */ INSERT INTO "TemporaryFile" ("projectId", "fileKey", "ownerId")
    VALUES (${projectId}::uuid, ${fileKey}, ${ownerId}::uuid) ON CONFLICT DO NOTHING`
}

/** The application as a job uses it for files of its own: whatever it puts into the store is swept once the job has ended. */
export function withTemporaryFiles(app: App, { projectId, jobId }: { projectId: string; jobId: string }): App {
  const put: App['files']['put'] = async (content) => {
    const stored = await app.files.put(content)
    await noteTemporaryFile(app.prisma, projectId, stored.key, jobId)
    return stored
  }
  return { ...app, files: { ...app.files, put } }
}
