import { PassThrough, Readable } from 'node:stream'
import { stringify } from 'csv-stringify'
import { ZipFile } from 'yazl'
import type { DatasetVersion, ExportFormat } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import type { DatasetRow } from './dataset-manifest.ts'

/** A row of the manifest and, where asked for, its vector. */
export interface ExportRow extends DatasetRow {
  readonly embedding?: Float32Array
}

export interface ExportInput {
  readonly app: App
  readonly version: DatasetVersion
  readonly includeEmbeddings: boolean
  /** Reads the snapshot from its beginning; each call starts anew. */
  rows(): AsyncIterable<ExportRow>
}

/** One file of an export, as a stream: nothing is held whole in memory. */
export interface ExportPart {
  readonly name: string
  readonly content: Readable
}

type ExportWriter = (input: ExportInput) => AsyncIterable<ExportPart>

/** Pictures in one archive: large enough to be few, small enough to fetch again when one breaks. */
const PICTURES_PER_ARCHIVE = 20_000

const EXTENSION = /\.(jpe?g|png|webp|gif|avif|tiff?|svg)$/i

/** A file name of our own making for an item: its key, without anything a file system could trip over. */
function pictureName({ externalKey }: DatasetRow): string {
  const safe = externalKey.replace(/[^\p{L}\p{N}._-]+/gu, '_').slice(0, 180)
  return EXTENSION.test(safe) ? safe : `${safe}.png`
}

/** A folder name for an identity: its name where it has one, and enough of its id to keep namesakes apart. */
function folderName({ identityName, identityId }: DatasetRow): string {
  const safe = (identityName ?? 'identity').replace(/[^\p{L}\p{N}._-]+/gu, '_').slice(0, 80)
  return `${safe}-${identityId.slice(-6)}`
}

const recordOf = (row: ExportRow) => ({
  externalKey: row.externalKey,
  identityId: row.identityId,
  identityName: row.identityName,
  identityState: row.identityState,
  source: row.source,
  imageSha256: row.imageKey?.split('/').at(-1) ?? null,
  width: row.width,
  height: row.height,
  box: row.box,
  metadata: row.metadata,
  ...(row.embedding && { embedding: Array.from(row.embedding) }),
})

async function* writeJsonl({ version, rows }: ExportInput): AsyncGenerator<ExportPart> {
  async function* lines() {
    for await (const row of rows()) yield `${JSON.stringify(recordOf(row))}\n`
  }
  yield { name: `${version.tag}.jsonl`, content: Readable.from(lines()) }
}

const CSV_COLUMNS = [
  'externalKey',
  'identityId',
  'identityName',
  'identityState',
  'source',
  'imageSha256',
  'width',
  'height',
  'box',
  'metadata',
] as const

async function* writeCsv({ version, rows, includeEmbeddings }: ExportInput): AsyncGenerator<ExportPart> {
  const columns = [...CSV_COLUMNS, ...(includeEmbeddings ? ['embedding'] : [])]
  const table = stringify({
    header: true,
    columns,
    escape_formulas: true,
    cast: { object: (value) => JSON.stringify(value) },
  })
  async function* records() {
    for await (const row of rows()) yield recordOf(row)
  }
  yield { name: `${version.tag}.csv`, content: Readable.from(records()).pipe(table) }
}

/** learn-to-cluster: `.meta` has one integer a line, `.bin` raw little-endian float32 rows, in the same order. */
async function* writeLearnToCluster({ version, rows }: ExportInput): AsyncGenerator<ExportPart> {
  async function* meta() {
    const numbers = new Map<string, number>()
    for await (const { identityId } of rows()) {
      const number = numbers.get(identityId) ?? numbers.size
      numbers.set(identityId, number)
      yield `${number}\n`
    }
  }
  async function* features() {
    for await (const { externalKey, embedding } of rows()) {
      if (!embedding) throw new Error(`item ${externalKey} has no embedding in the space of the snapshot`)
      yield Buffer.from(embedding.buffer, embedding.byteOffset, embedding.byteLength)
    }
  }
  async function* keys() {
    for await (const { externalKey } of rows()) yield `${externalKey}\n`
  }
  yield { name: `${version.tag}.meta`, content: Readable.from(meta()) }
  yield { name: `${version.tag}.bin`, content: Readable.from(features()) }
  yield { name: `${version.tag}.keys.txt`, content: Readable.from(keys()) }
}

/** One folder an identity, with metadata.jsonl as Hugging Face's ImageFolder reads it; in zip archives. */
async function* writeImageFolder({ app, version, rows }: ExportInput): AsyncGenerator<ExportPart> {
  const iterator = rows()[Symbol.asyncIterator]()
  let next = await iterator.next()
  for (let part = 1; !next.done; part++) {
    const zip = new ZipFile()
    const output = zip.outputStream.pipe(new PassThrough())
    const metadata = new PassThrough()
    zip.addReadStream(metadata, 'metadata.jsonl')
    const fill = async () => {
      for (let count = 0; !next.done && count < PICTURES_PER_ARCHIVE; next = await iterator.next()) {
        const row = next.value
        if (!row.imageKey) continue
        const fileName = `${folderName(row)}/${row.itemId.slice(-6)}-${pictureName(row)}`
        const { embedding: _vector, ...record } = recordOf(row)
        metadata.write(`${JSON.stringify({ file_name: fileName, label: folderName(row), ...record })}\n`)
        const key = row.imageKey
        // Opened when its turn comes: an archive of thousands must not hold thousands of files open.
        zip.addReadStreamLazy(fileName, { compress: false }, (done) => {
          app.files.open(key).then(
            (stream) => done(null, stream),
            (error) => done(error, null as never),
          )
        })
        count++
      }
      metadata.end()
      zip.end()
    }
    zip.once('error', (error) => output.destroy(error))
    await fill()
    yield { name: `${version.tag}-${String(part).padStart(4, '0')}.zip`, content: output }
  }
}

export const EXPORT_WRITERS: Partial<Record<ExportFormat, ExportWriter>> = {
  JSONL: writeJsonl,
  CSV: writeCsv,
  LEARN_TO_CLUSTER: writeLearnToCluster,
  IMAGE_FOLDER: writeImageFolder,
}

/** Formats whose files hold vectors whether asked for or not. */
export const NEEDS_EMBEDDINGS: readonly ExportFormat[] = ['LEARN_TO_CLUSTER']
