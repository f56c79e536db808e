import type { Readable } from 'node:stream'
import { Transform } from 'node:stream'
import type { Upload } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { recordAudit } from './audit.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { uploadUrl } from './media.ts'
import { noteTemporaryFile } from './temporary-files.ts'

/** Staged files are named by such an address in startImport. */
export const STAGED_SCHEME = 'tributary-upload:'

const HOUR_MS = 3_600_000

/** Makes room for one file. ENGINEER and above. */
export async function createUpload(
  app: App,
  viewer: Viewer,
  { projectId, fileName, byteSize }: { projectId: string; fileName: string; byteSize: number },
): Promise<{ uploadUrl: string; stagedUrl: string }> {
  await requireAccess(app, viewer, projectId, 'import.start')
  if (!/^[^/\\\0]{1,200}$/.test(fileName)) {
    throw invalid('fileName must be a plain name of 1 to 200 characters, without a folder', 'input', 'fileName')
  }
  const { maxUploadBytes } = app.config
  if (!Number.isSafeInteger(byteSize) || byteSize < 1 || byteSize > maxUploadBytes) {
    throw invalid(`byteSize must be 1 to ${maxUploadBytes}: got ${byteSize}`, 'input', 'byteSize')
  }
  const id = newId()
  await app.prisma.$transaction(async (tx) => {
    await tx.upload.create({
      data: { projectId, id, fileName, byteSize: BigInt(byteSize), createdById: viewer.userId },
    })
    const detail = { fileName, byteSize }
    await recordAudit(tx, viewer, { projectId, action: 'upload.created', target: ['Upload', id], detail })
  })
  return { uploadUrl: uploadUrl(app, { projectId, id }), stagedUrl: `${STAGED_SCHEME}${projectId}/${id}` }
}

/** Refuses more bytes than were announced before they fill the disk, and fewer before they are stored. */
class ExactStream extends Transform {
  #seen = 0

  constructor(readonly announced: number) {
    super()
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error: Error | null, data?: Buffer) => void,
  ): void {
    this.#seen += chunk.length
    if (this.#seen <= this.announced) done(null, chunk)
    else done(new DomainError('LIMIT_EXCEEDED', `the file is larger than the ${this.announced} bytes announced`))
  }

  override _flush(done: (error?: Error) => void): void {
    if (this.#seen === this.announced) done()
    else {
      const message = `the upload is incomplete: got ${this.#seen} bytes, expected ${this.announced}: send it again`
      done(new DomainError('INVALID', message))
    }
  }
}

/** Stores the bytes of an upload; the signed address is the permission. */
export async function receiveUpload(app: App, { projectId, id }: Ref, content: Readable): Promise<void> {
  const where = { projectId_id: { projectId, id } }
  const upload = await app.prisma.upload.findUnique({ where })
  if (!upload) throw notFound('upload', id)
  if (upload.expiredAt) throw pastItsTime(app, upload)
  const exact = new ExactStream(Number(upload.byteSize))
  content.once('error', (error) => exact.destroy(error))
  const { key: fileKey } = await app.files.put(content.pipe(exact))
  await app.prisma.$transaction(async (tx) => {
    const [before] = await tx.$queryRaw<{ fileKey: string | null }[]>`
      /* receiveUpload */ SELECT "fileKey" FROM "Upload"
      WHERE "projectId" = ${projectId}::uuid AND "id" = ${id}::uuid FOR UPDATE`
    // Sent twice with other bytes: the first ones are nobody's now.
    if (before?.fileKey && before.fileKey !== fileKey) await noteTemporaryFile(tx, projectId, before.fileKey, id)
    await tx.upload.update({ where, data: { fileKey } })
  })
}

/** An upload made before this moment can be named no more. */
export const uploadDeadline = (app: App): Date =>
  new Date(app.clock.now().getTime() - app.config.uploadRetentionHours * HOUR_MS)

const pastItsTime = (app: App, { fileName }: Upload) =>
  new DomainError(
    'INVALID_STATE',
    `the upload ${fileName} is gone: uploads are kept for ${app.config.uploadRetentionHours} hours: send it again`,
  )

/**
 * The finished upload that a staged address names, in this project. One that has had its time is refused, unless it is held
 * by a job that began before.
 */
export async function getStagedUpload(
  app: App,
  projectId: string,
  stagedUrl: string,
  { field = 'manifestUrl', isHeld = false }: { field?: string; isHeld?: boolean } = {},
): Promise<Upload & { fileKey: string }> {
  const [ofProject, id = ''] = stagedUrl.slice(STAGED_SCHEME.length).split('/')
  const upload =
    ofProject === projectId && /^[0-9a-f-]{36}$/.test(id)
      ? await app.prisma.upload.findUnique({ where: { projectId_id: { projectId, id } } })
      : null
  if (!upload) throw invalid(`${field} names no upload of this project: ${stagedUrl}`, 'input', field)
  if (upload.expiredAt || (!isHeld && upload.createdAt < uploadDeadline(app))) throw pastItsTime(app, upload)
  if (!upload.fileKey) {
    throw new DomainError(
      'INVALID_STATE',
      `the upload ${upload.fileName} has not arrived: PUT its bytes on uploadUrl first`,
    )
  }
  return upload as Upload & { fileKey: string }
}
