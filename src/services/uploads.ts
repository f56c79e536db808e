import type { Readable } from 'node:stream'
import { Transform } from 'node:stream'
import type { Upload } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { recordAudit } from './audit.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { uploadUrl } from './media.ts'

/** Staged files are named by such an address in startImport. */
export const STAGED_SCHEME = 'tributary-upload:'

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

/** Refuses more bytes than were announced, before they fill the disk. */
class LimitedStream extends Transform {
  #seen = 0

  constructor(readonly limit: number) {
    super()
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error: Error | null, data?: Buffer) => void,
  ): void {
    this.#seen += chunk.length
    if (this.#seen <= this.limit) done(null, chunk)
    else done(new DomainError('LIMIT_EXCEEDED', `the file is larger than the ${this.limit} bytes announced`))
  }
}

/** Stores the bytes of an upload; the signed address is the permission. */
export async function receiveUpload(app: App, { projectId, id }: Ref, content: Readable): Promise<void> {
  const where = { projectId_id: { projectId, id } }
  const upload = await app.prisma.upload.findUnique({ where })
  if (!upload) throw notFound('upload', id)
  const limited = new LimitedStream(Number(upload.byteSize))
  content.once('error', (error) => limited.destroy(error))
  const stored = await app.files.put(content.pipe(limited))
  if (BigInt(stored.byteSize) !== upload.byteSize) {
    throw new DomainError(
      'INVALID',
      `the upload is incomplete: got ${stored.byteSize} bytes, expected ${upload.byteSize}: send it again`,
    )
  }
  await app.prisma.upload.update({ where, data: { fileKey: stored.key } })
}

/** The finished upload that a staged address names, in this project. */
export async function getStagedUpload(
  app: App,
  projectId: string,
  stagedUrl: string,
  field = 'manifestUrl',
): Promise<Upload & { fileKey: string }> {
  const [ofProject, id = ''] = stagedUrl.slice(STAGED_SCHEME.length).split('/')
  const upload =
    ofProject === projectId && /^[0-9a-f-]{36}$/.test(id)
      ? await app.prisma.upload.findUnique({ where: { projectId_id: { projectId, id } } })
      : null
  if (!upload) throw invalid(`${field} names no upload of this project: ${stagedUrl}`, 'input', field)
  if (!upload.fileKey) {
    throw new DomainError(
      'INVALID_STATE',
      `the upload ${upload.fileName} has not arrived: PUT its bytes on uploadUrl first`,
    )
  }
  return upload as Upload & { fileKey: string }
}
