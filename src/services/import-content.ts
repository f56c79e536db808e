import type { App } from './app.ts'
import { DomainError } from './errors.ts'
import { openArchive } from './import-archive.ts'
import { extensionOf, type ImportFile, makeSeekable } from './import-file.ts'
import type { ImportSource } from './import-source.ts'
import type { BrokenRow, ManifestRow } from './manifest.ts'
import { isPicture, openImageFolder } from './read-image-folder.ts'
import { openMatrix } from './read-matrix.ts'
import { openParquet } from './read-parquet.ts'
import { readCsv, readJsonl } from './read-text-manifest.ts'

/** The rows of an import, whatever their format. */
export interface ImportContent {
  /** How many there are, where that is known beforehand. */
  readonly total?: number
  /** Rows after the first `after`, in an order that is always the same. */
  read(after: number): AsyncGenerator<ManifestRow | BrokenRow>
  /** What the rows' pictures are read from. */
  readonly source: ImportSource
  close(): Promise<void>
}

type Opened = Pick<ImportContent, 'total' | 'read'>

const refuse = (message: string) => new DomainError('INVALID', message)

const isData = ({ name }: ImportFile): boolean =>
  ['.jsonl', '.ndjson', '.csv', '.parquet', '.npy', '.bin', '.f32'].includes(extensionOf(name)) &&
  // Companions of a matrix.
  !/(^|[./])labels\.npy$/.test(name)

/** Names that say themselves that they are the manifest, best first. */
const MANIFEST_NAMES = [/^manifest\.[a-z0-9]+$/, /^metadata\.(jsonl|csv|parquet)$/]

/** The one file at the top of a folder that lists its items, or undefined where there are only pictures. */
function chooseManifest(name: string, data: readonly ImportFile[]): ImportFile | undefined {
  for (const pattern of MANIFEST_NAMES) {
    const found = data.find((file) => pattern.test(file.name))
    if (found) return found
  }
  if (data.length > 1) {
    const names = data.slice(0, 5).map((file) => file.name)
    throw refuse(
      `${name} holds ${data.length} files that could be its manifest: ${names.join(', ')}; name one of them manifest.*, or give its own address`,
    )
  }
  return data[0]
}

async function openFile(app: App, file: ImportFile, source: ImportSource, dimension: number): Promise<Opened> {
  switch (extensionOf(file.name)) {
    case '.jsonl':
    case '.ndjson':
      return { read: (after) => readJsonl(file, after) }
    case '.csv':
      return { read: (after) => readCsv(file, after) }
    case '.parquet':
      return openParquet(await makeSeekable(app, file))
    case '.npy':
    case '.bin':
    case '.f32':
      return openMatrix(await makeSeekable(app, file), seekableFolder(app, source), dimension)
    case '.meta': {
      const name = file.name.replace(/\.meta$/, '.bin')
      const features = await source.folder.find(name)
      if (!features) throw refuse(`${file.name} needs its features beside it: there is no ${name}`)
      return openMatrix(await makeSeekable(app, features), seekableFolder(app, source), dimension)
    }
    default:
      throw refuse(`no reader for ${file.name}`)
  }
}

/** A companion in an archive may be packed, and is then unpacked first. */
const seekableFolder = (app: App, { folder }: ImportSource) => ({
  find: async (name: string) => {
    const file = await folder.find(name)
    return file && makeSeekable(app, file)
  },
})

async function openFolder(app: App, source: ImportSource, dimension: number): Promise<Opened> {
  const { folder, name } = source
  if (!folder.list) throw refuse(`${name} can not be listed: give the address of a manifest`)
  const data: ImportFile[] = []
  let pictures = 0
  for await (const file of folder.list()) {
    if (isPicture(file)) pictures++
    else if (!file.name.includes('/') && isData(file)) data.push(file)
  }
  const manifest = chooseManifest(name, data)
  if (manifest) return openFile(app, manifest, source, dimension)
  if (pictures === 0) throw refuse(`${name} holds neither a manifest nor pictures`)
  return openImageFolder(folder, pictures)
}

/**
 * Looks at what an address names and opens its rows: a manifest, a matrix, an archive or a folder of either, or pictures
 * in folders. Everything that is wrong with the whole (cut short, another dimension, a missing column) is refused here,
 * before the first row is stored.
 */
export async function openImportContent(app: App, located: ImportSource, dimension: number): Promise<ImportContent> {
  const { file } = located
  if (file && isPicture(file)) {
    const folder = {
      ...located.folder,
      find: async () => file,
      list: async function* () {
        yield file
      },
    }
    return { ...openImageFolder(folder, 1), source: { ...located, folder }, close: async () => {} }
  }
  if (!file || extensionOf(file.name) !== '.zip') {
    const opened = file ? openFile(app, file, located, dimension) : openFolder(app, located, dimension)
    return { ...(await opened), source: located, close: async () => {} }
  }
  const folder = await openArchive(await makeSeekable(app, file), { maxUnpackedBytes: app.config.maxUploadBytes })
  const close = async () => folder.close?.()
  try {
    const source: ImportSource = { name: located.name, folder, where: `the archive ${located.name}` }
    return { ...(await openFolder(app, source, dimension)), source, close }
  } catch (error) {
    await close()
    throw error
  }
}
