import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { Job } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { checkPage } from './page.ts'
import { toStorable } from './storable-text.ts'

/** Why a row could not be taken. */
export interface FailedRow {
  readonly row: number
  readonly externalKey?: string
  readonly problem: string
}

interface JobRef {
  readonly projectId: string
  readonly jobId: string
}

/** Rows that are read or written together. */
const PAGE = 5_000

/** Keeps rows that a job left out, with the checkpoint that has passed them; a row that is there already is overwritten. */
export async function keepFailedRows(tx: Tx, { projectId, jobId }: JobRef, rows: readonly FailedRow[]): Promise<void> {
  for (let at = 0; at < rows.length; at += PAGE) {
    const page = rows.slice(at, at + PAGE)
    // One row of a manifest may have failed twice, as a picture with two faces may: the last word stands.
    const byRow = new Map(page.map((row) => [row.row, row]))
    const kept = [...byRow.values()].map(({ row, externalKey, problem }) => ({
      row,
      externalKey: externalKey === undefined ? null : toStorable(externalKey),
      problem: toStorable(problem),
    }))
    await tx.$executeRaw`
      /* keepFailedRows */
      INSERT INTO "JobFailedRow" ("projectId", "jobId", "row", "externalKey", "problem")
      SELECT ${projectId}::uuid, ${jobId}::uuid, t.* FROM unnest(${kept.map(({ row }) => row)}::int[],
        ${kept.map(({ externalKey }) => externalKey)}::text[], ${kept.map(({ problem }) => problem)}::text[]) AS t
      ON CONFLICT ("projectId", "jobId", "row") DO UPDATE SET "problem" = excluded."problem"`
  }
}

export async function countFailedRows(app: App, { projectId, jobId }: JobRef): Promise<number> {
  return app.prisma.jobFailedRow.count({ where: { projectId, jobId } })
}

/**
 * Writes the rows that a job left out to a JSONL file, by row number, that people can download, mend and import again.
 * Null when there are none.
 */
export async function writeFailedRowsFile(app: App, { projectId, jobId }: JobRef): Promise<string | null> {
  async function* lines() {
    let after = -1
    for (;;) {
      const rows = await app.prisma.jobFailedRow.findMany({
        where: { projectId, jobId, row: { gt: after } },
        orderBy: { row: 'asc' },
        take: PAGE,
      })
      if (rows.length === 0) return
      yield rows
        .map(
          ({ row, externalKey, problem }) =>
            `${JSON.stringify({ row, externalKey: externalKey ?? undefined, problem })}\n`,
        )
        .join('')
      after = (rows.at(-1) as { row: number }).row
    }
  }
  if ((await countFailedRows(app, { projectId, jobId })) === 0) return null
  const { key } = await app.files.put(Readable.from(lines()))
  return key
}

/** Once the file is named by the job, the rows are there twice. */
export async function dropFailedRows(tx: Tx, { projectId, jobId }: JobRef): Promise<void> {
  await tx.jobFailedRow.deleteMany({ where: { projectId, jobId } })
}

/** The first rows that a job left out, by row number, while it runs and afterwards. VIEWER and above. */
export async function listFailedRows(app: App, viewer: Viewer, job: Job, first: number): Promise<FailedRow[]> {
  await requireAccess(app, viewer, job.projectId, 'project.read')
  checkPage(first, undefined)
  if (job.failedRowCount === 0) return []
  if (job.failedRowsFileKey) return readFirstRows(app, job.failedRowsFileKey, first)
  const rows = await app.prisma.jobFailedRow.findMany({
    where: { projectId: job.projectId, jobId: job.id },
    orderBy: { row: 'asc' },
    take: first,
  })
  return rows.map(({ row, externalKey, problem }) => ({ row, problem, ...(externalKey !== null && { externalKey }) }))
}

async function readFirstRows(app: App, key: string, first: number): Promise<FailedRow[]> {
  const file = await app.files.open(key)
  const rows: FailedRow[] = []
  for await (const line of createInterface({ input: file })) {
    rows.push(JSON.parse(line) as FailedRow)
    if (rows.length === first) break
  }
  file.destroy()
  return rows
}
