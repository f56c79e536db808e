import { createReadStream } from 'node:fs'
import { readFile, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { App } from './app.ts'
import { DomainError, invalid } from './errors.ts'
import { MANIFEST_EXTENSIONS } from './manifest.ts'
import { getStagedUpload, STAGED_SCHEME } from './uploads.ts'

/** A manifest that can be read, and the pictures it names. */
export interface ImportSource {
  readonly fileName: string
  open(): Promise<Readable>
  /** Bytes of a picture, by its path in the manifest. */
  readImage(image: string): Promise<Buffer>
}

const refuse = (message: string) => invalid(message, 'input', 'manifestUrl')

/** Finds what a manifest address names: an upload of this project, or a file below an allowed folder of the server. */
export async function locateManifest(app: App, projectId: string, manifestUrl: string): Promise<ImportSource> {
  const source = manifestUrl.startsWith(STAGED_SCHEME)
    ? await stagedSource(app, projectId, manifestUrl)
    : manifestUrl.startsWith('file:')
      ? await folderSource(app, manifestUrl)
      : undefined
  if (!source) {
    throw refuse(`manifestUrl must be a stagedUrl of createUpload or a file: address on the server: got ${manifestUrl}`)
  }
  const extension = path.extname(source.fileName).toLowerCase()
  if (!MANIFEST_EXTENSIONS.includes(extension)) {
    throw refuse(`the manifest must end in ${MANIFEST_EXTENSIONS.join(', ')}: got ${source.fileName}`)
  }
  return source
}

async function stagedSource(app: App, projectId: string, stagedUrl: string): Promise<ImportSource> {
  const upload = await getStagedUpload(app, projectId, stagedUrl)
  return {
    fileName: upload.fileName,
    open: () => app.files.open(upload.fileKey),
    readImage: async (image) => {
      throw new DomainError(
        'INVALID',
        `image ${image} can not be found: an uploaded manifest can not name files on the server; put manifest and pictures in a folder named by IMPORT_ROOTS`,
      )
    },
  }
}

/** The real path, when it lies below an allowed root; links that lead out are followed before the check. */
async function resolveWithin(roots: readonly string[], file: string): Promise<string | undefined> {
  const real = await realpath(file).catch(() => undefined)
  if (!real) return undefined
  for (const root of roots) {
    const realRoot = await realpath(root).catch(() => undefined)
    if (realRoot && (real === realRoot || real.startsWith(realRoot + path.sep))) return real
  }
  return undefined
}

async function folderSource(app: App, manifestUrl: string): Promise<ImportSource> {
  const { importRoots, maxUploadBytes } = app.config
  const manifest = await resolveWithin(importRoots, fileURLToPath(manifestUrl))
  if (!manifest || !(await stat(manifest)).isFile()) {
    // The same words for a missing file and a forbidden one: the address must not tell what is on the server.
    throw refuse(`no manifest at ${manifestUrl} below the folders that IMPORT_ROOTS allows`)
  }
  const folder = path.dirname(manifest)
  return {
    fileName: path.basename(manifest),
    open: async () => createReadStream(manifest),
    readImage: async (image) => {
      const file = await resolveWithin([folder], path.resolve(folder, image))
      if (!file) throw new DomainError('INVALID', `image ${image} is not in the folder of the manifest`)
      const { size } = await stat(file)
      if (size > maxUploadBytes)
        throw new DomainError('INVALID', `image ${image} has ${size} bytes: at most ${maxUploadBytes} are taken`)
      return readFile(file)
    },
  }
}
