import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { DomainError } from './errors.ts'
import { type ImportFile, readRange } from './import-file.ts'
import { type BrokenRow, checkRow, type ManifestRow } from './manifest.ts'

/** Rows are read a row group at a time: a larger one would not fit into memory beside everything else. */
const MAX_ROW_GROUP_BYTES = 512 * 1024 ** 2

const KEY_COLUMNS = ['externalKey', 'image', 'file_name']
const COLUMNS = [...KEY_COLUMNS, 'embedding', 'label', 'box', 'metadata']

const refuse = (message: string) => new DomainError('INVALID', message)

async function readMetadata(name: string, buffer: AsyncBuffer): Promise<FileMetaData> {
  try {
    return await parquetMetadataAsync(buffer)
  } catch (error) {
    if (error instanceof DomainError) throw error
    throw refuse(`${name} is no readable Parquet file: ${(error as Error).message}`)
  }
}

/** Whatever holds bytes, as text where a column is text. */
const text = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : value)

const json = (value: unknown): unknown => {
  const plain = text(value)
  return typeof plain === 'string' ? JSON.parse(plain) : plain
}

/** JSON has no 64-bit integers: those that fit become numbers, others text. */
function withoutBigints(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(withoutBigints)
  if (value && typeof value === 'object' && !ArrayBuffer.isView(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withoutBigints(part)]))
  }
  return value
}

/** A list of numbers, or little-endian float32 as bytes. */
function embeddingOf(value: unknown): Float32Array | undefined {
  if (value === null || value === undefined) return undefined
  if (value instanceof Uint8Array) {
    if (value.length % 4 !== 0) throw new Error(`embedding must hold whole float32 values: got ${value.length} bytes`)
    return new Float32Array(new Uint8Array(value).buffer)
  }
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) {
    throw new Error(`embedding must be a list of numbers or bytes: got ${typeof value}`)
  }
  const list = value as ArrayLike<unknown>
  const bad = Array.prototype.findIndex.call(list, (part) => typeof part !== 'number')
  if (bad >= 0) throw new Error(`embedding must be a list of numbers: got ${list[bad]} at position ${bad}`)
  return Float32Array.from(list as ArrayLike<number>)
}

/** Hugging Face keeps pictures as {bytes, path}. */
function imageOf(value: unknown): { image?: unknown; imageBytes?: Uint8Array } {
  if (value instanceof Uint8Array) return { imageBytes: value }
  if (value && typeof value === 'object') {
    const { bytes, path } = value as { bytes?: unknown; path?: unknown }
    const isInside = bytes instanceof Uint8Array
    return { ...(without(path) ? {} : { image: text(path) }), ...(isInside && { imageBytes: bytes }) }
  }
  return without(value) ? {} : { image: value }
}

const without = (value: unknown) => value === undefined || value === null

function toRow(row: number, record: Record<string, unknown>): ManifestRow | BrokenRow {
  const externalKey = text(record.externalKey)
  const key = typeof externalKey === 'string' ? { externalKey } : {}
  try {
    const { image, imageBytes } = imageOf(record.image ?? record.file_name)
    const embedding = embeddingOf(record.embedding)
    const label = text(record.label)
    return checkRow(
      row,
      {
        ...(without(externalKey)
          ? {}
          : { externalKey: typeof externalKey === 'bigint' ? String(externalKey) : externalKey }),
        image: typeof image === 'string' ? image : undefined,
        label: label === '' ? undefined : label,
        box: withoutBigints(json(record.box)),
        metadata: withoutBigints(json(record.metadata)),
      },
      { ...(embedding && { embedding }), ...(imageBytes && { imageBytes }) },
    )
  } catch (error) {
    return { row, ...key, problem: (error as Error).message }
  }
}

/**
 * Rows of a Parquet file, a row group at a time. Columns: externalKey or image, embedding (list of numbers, or float32
 * bytes), label, box and metadata (struct or JSON). Snappy, gzip, Brotli, Zstandard and LZ4 are unpacked.
 */
export async function openParquet(file: ImportFile) {
  const buffer: AsyncBuffer = {
    byteLength: file.byteSize,
    slice: async (start, end) => {
      const bytes = await readRange(file, start, end ?? file.byteSize)
      return new Uint8Array(bytes).buffer
    },
  }
  const metadata = await readMetadata(file.name, buffer)
  const present = parquetSchema(metadata).children.map(({ element }) => element.name)
  if (!KEY_COLUMNS.some((column) => present.includes(column))) {
    throw refuse(`${file.name} must have a column ${KEY_COLUMNS.join(' or ')}: got ${present.join(', ')}`)
  }
  const columns = COLUMNS.filter((column) => present.includes(column))
  for (const [i, { total_byte_size }] of metadata.row_groups.entries()) {
    if (Number(total_byte_size) > MAX_ROW_GROUP_BYTES) {
      throw refuse(
        `${file.name} must have row groups of at most ${MAX_ROW_GROUP_BYTES} bytes: row group ${i} has ${total_byte_size}; write it with fewer rows a group`,
      )
    }
  }

  async function* read(after: number): AsyncGenerator<ManifestRow | BrokenRow> {
    let start = 0
    for (const group of metadata.row_groups) {
      const end = start + Number(group.num_rows)
      if (end > after) {
        const records = await readGroup(start, end)
        for (let i = Math.max(0, after - start); i < records.length; i++) {
          yield toRow(start + i + 1, records[i] as Record<string, unknown>)
        }
      }
      start = end
    }
  }

  async function readGroup(rowStart: number, rowEnd: number) {
    try {
      // Columns that say they are text are text anyway; others may hold pictures.
      return await parquetReadObjects({ file: buffer, metadata, columns, rowStart, rowEnd, compressors, utf8: false })
    } catch (error) {
      if (error instanceof DomainError) throw error
      throw refuse(`${file.name} can not be read from row ${rowStart + 1} on: ${(error as Error).message}`)
    }
  }

  return { total: Number(metadata.num_rows), read }
}
