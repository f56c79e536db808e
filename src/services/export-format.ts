import type { Readable } from 'node:stream'
import type { DatasetVersion } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import type { DatasetRow } from './dataset-manifest.ts'

/** A row of the manifest and, where asked for, its vector. */
export interface ExportRow extends DatasetRow {
  readonly embedding?: Float32Array
}

/** One part of a version: some rows of its manifest, in order. */
export interface ExportPart {
  readonly app: App
  readonly version: DatasetVersion
  readonly includeEmbeddings: boolean
  /** Stem of its file names: the tag, and the number of the part where there are several. */
  readonly stem: string
  /** Number of its first row in the version. */
  readonly firstRow: number
  /** Reads its rows from their beginning; each call starts anew. */
  rows(): AsyncIterable<ExportRow>
  readonly signal: AbortSignal
}

/** One file of an export, as a stream: nothing is held whole in memory. */
export interface ExportContent {
  readonly name: string
  readonly content: Readable
}

export interface ExportFormatWriter {
  /** Rows in one part: large enough to be few, small enough to fetch again, and to write again, when one breaks. */
  readonly rowsPerPart: number
  /** Its files hold vectors whether asked for or not. */
  readonly needsEmbeddings?: boolean
  /** Items without a picture have no place in it; vectors are not in it, whether asked for or not. */
  readonly needsPictures?: boolean
  write(part: ExportPart): AsyncIterable<ExportContent>
}

/** What every table says of an item. */
export const recordOf = (row: ExportRow) => ({
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
})

export const RECORD_COLUMNS = [
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
] as const satisfies (keyof ReturnType<typeof recordOf>)[]

/** So much of an id keeps millions of alike names apart: 48 bits, of which 42 are random. */
const endOf = (id: string) => id.slice(-12)

/** Nothing that a file system or an archive could trip over. */
const safe = (text: string, length: number) =>
  text
    .replace(/[^\p{L}\p{N}._-]+/gu, '_')
    .replace(/^\.+/, '_')
    .slice(0, length)

/** A folder or class name for an identity: its name where it has one, and enough of its id to keep namesakes apart. */
export const identityLabel = ({ identityName, identityId }: DatasetRow): string =>
  `${safe(identityName ?? 'identity', 80)}-${endOf(identityId)}`

/** A file name without extension for an item: its key, and enough of its id to keep alike ones apart. */
export const itemStem = ({ externalKey, itemId }: DatasetRow): string =>
  `${endOf(itemId)}-${safe(externalKey.replace(/\.[a-z]{3,4}$/i, ''), 120)}`
