import type { App } from './app.ts'
import { DomainError, invalid } from './errors.ts'
import { collect, extensionOf, type ImportFile, type ImportFolder, readWhole } from './import-file.ts'
import { openBucketImage, sourceFromBucket } from './import-from-bucket.ts'
import { sourceFromFolder } from './import-from-folder.ts'
import { sourceFromUpload } from './import-from-upload.ts'
import { checkAddress, type FetchedManifest, openAddress, sourceFromWeb } from './import-from-web.ts'
import { isPicture } from './read-image-folder.ts'
import { STAGED_SCHEME } from './uploads.ts'

/** A manifest or folder that can be read, and what lies around it. */
export interface ImportSource {
  /** What messages call it. */
  readonly name: string
  /** The file that was named; absent where a folder was. */
  readonly file?: ImportFile
  readonly folder: ImportFolder
  /** Where pictures are looked for, for messages. */
  readonly where: string
  /** Where relative pictures of a fetched manifest lie. */
  readonly baseUrl?: string
}

export const isWebAddress = (url: string): boolean => /^https?:\/\//i.test(url)
const isBucketAddress = (url: string): boolean => url.startsWith('s3://')

/** Files that can be imported, by extension; a folder and an archive may also just hold pictures. */
export const IMPORT_EXTENSIONS = ['.jsonl', '.ndjson', '.csv', '.parquet', '.npy', '.bin', '.f32', '.meta', '.zip']

/**
 * Finds what the address of an import names, without reading it. `begun` is what a job knows that reads it: its upload is
 * held for it, and what lies on the web was fetched.
 */
export async function locateImport(
  app: App,
  projectId: string,
  manifestUrl: string,
  begun?: { fetched: FetchedManifest | undefined },
): Promise<ImportSource> {
  if (manifestUrl.startsWith(STAGED_SCHEME)) return sourceFromUpload(app, projectId, manifestUrl, begun !== undefined)
  if (manifestUrl.startsWith('file:')) return sourceFromFolder(app, manifestUrl)
  if (isBucketAddress(manifestUrl)) return sourceFromBucket(app, manifestUrl)
  if (isWebAddress(manifestUrl)) return sourceFromWeb(app, manifestUrl, begun?.fetched)
  throw invalid(
    `manifestUrl must be a stagedUrl of createUpload, or a file:, http(s): or s3: address: got ${manifestUrl}`,
    'input',
    'manifestUrl',
  )
}

/** Refuses an address that names nothing, or nothing that can be imported, before a job is made of it. */
export async function checkImportAddress(app: App, projectId: string, manifestUrl: string): Promise<void> {
  const source = await locateImport(app, projectId, manifestUrl)
  const isFile = source.file || isWebAddress(manifestUrl)
  if (isFile && !IMPORT_EXTENSIONS.includes(extensionOf(source.name)) && !isPicture(source)) {
    throw invalid(
      `the file must end in ${IMPORT_EXTENSIONS.join(', ')}, or be a picture: got ${source.name}`,
      'input',
      'manifestUrl',
    )
  }
  if (isWebAddress(manifestUrl)) await checkAddress(app, manifestUrl)
}

const TRIES = 3
const FIRST_WAIT_MS = 200
const IMAGE_TIMEOUT_MS = 60_000

/** A picture on the web; an outage that does not pass is the row's problem, not the import's. */
async function fetchImage(app: App, url: string, signal: AbortSignal): Promise<Buffer> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { body } = await openAddress(app, url, {
        maxBytes: app.config.maxUploadBytes,
        bodyTimeoutMs: IMAGE_TIMEOUT_MS,
        signal,
      })
      return await collect(body)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof DomainError) throw error
      if (attempt >= TRIES) {
        throw new DomainError('INVALID', `${url} could not be fetched in ${TRIES} tries: ${(error as Error).message}`)
      }
      await new Promise((resolve) => setTimeout(resolve, FIRST_WAIT_MS * 4 ** (attempt - 1)))
    }
  }
}

/** Bytes of a picture that a row names: a web or bucket address, or a path beside the manifest. */
export async function readImage(app: App, source: ImportSource, image: string, signal: AbortSignal): Promise<Buffer> {
  const { maxUploadBytes } = app.config
  if (isWebAddress(image)) return fetchImage(app, image, signal)
  if (isBucketAddress(image)) return readWhole(await openBucketImage(app, image), maxUploadBytes)
  if (source.baseUrl) return fetchImage(app, new URL(image, source.baseUrl).href, signal)
  const file = await source.folder.find(image)
  if (!file) throw new DomainError('INVALID', `image ${image} is not in ${source.where}`)
  return readWhole(file, maxUploadBytes)
}
