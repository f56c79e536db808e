import type { ColumnChunk } from 'hyparquet'
import { ByteWriter, type ParquetWriter } from 'hyparquet-writer'
import { writePageHeader } from 'hyparquet-writer/src/datapage.js'

/** `embedding: optional list of required float32`, as the format's own rules lay lists out. */
export const VECTOR_SCHEMA = [
  { name: 'embedding', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
] as const

/** Definition levels of the schema above: no list, and a value in one. */
const NO_LIST = 0
const VALUE = 2

type Vector = Float32Array | undefined

/** One run of a repeated level, in the hybrid of run lengths and bit packing; levels here fit a byte. */
function appendRun(levels: ByteWriter, level: number, count: number): void {
  if (count === 0) return
  levels.appendVarInt(count << 1)
  levels.appendUint8(level)
}

/** A row begins with 0, its further values are 1. */
function repetitionLevels(vectors: readonly Vector[]): Uint8Array {
  const levels = new ByteWriter()
  for (const vector of vectors) {
    appendRun(levels, 0, 1)
    appendRun(levels, 1, (vector?.length ?? 1) - 1)
  }
  return levels.getBytes()
}

function definitionLevels(vectors: readonly Vector[]): Uint8Array {
  const levels = new ByteWriter()
  let count = 0
  for (const vector of vectors) {
    if (vector) count += vector.length
    else {
      appendRun(levels, VALUE, count)
      appendRun(levels, NO_LIST, 1)
      count = 0
    }
  }
  appendRun(levels, VALUE, count)
  return levels.getBytes()
}

/**
 * Adds a column of vectors to the row group that was written last: one page, its floats copied as they lie in memory. The
 * library's own way makes four JavaScript values of each. Rows without a vector are null; vectors are not empty.
 */
export function appendVectorColumn(parquet: ParquetWriter, writer: ByteWriter, vectors: readonly Vector[]): void {
  const group = parquet.row_groups.at(-1)
  if (!group || Number(group.num_rows) !== vectors.length) {
    throw new Error(`a row group of ${vectors.length} rows must be written first: got ${group?.num_rows ?? 'none'}`)
  }
  const repetition = repetitionLevels(vectors)
  const definition = definitionLevels(vectors)
  const values = vectors.reduce((sum, vector) => sum + (vector?.length ?? 1), 0)
  const nulls = vectors.filter((vector) => !vector).length
  const bytes = repetition.length + definition.length + 4 * (values - nulls)
  const offset = writer.offset
  writePageHeader(writer, {
    type: 'DATA_PAGE_V2',
    uncompressed_page_size: bytes,
    compressed_page_size: bytes,
    data_page_header_v2: {
      num_values: values,
      num_nulls: nulls,
      num_rows: vectors.length,
      encoding: 'PLAIN',
      repetition_levels_byte_length: repetition.length,
      definition_levels_byte_length: definition.length,
      is_compressed: false,
    },
  })
  writer.appendBytes(repetition)
  writer.appendBytes(definition)
  // The format is little-endian, and so is every machine that this runs on.
  for (const vector of vectors) {
    if (vector) writer.appendBytes(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength))
  }
  const size = BigInt(writer.offset - offset)
  const chunk: ColumnChunk = {
    file_offset: BigInt(offset),
    meta_data: {
      type: 'FLOAT',
      // Numbers of a vector neither repeat nor compress, and nobody looks for their least one.
      encodings: ['PLAIN'],
      codec: 'UNCOMPRESSED',
      path_in_schema: VECTOR_SCHEMA.map(({ name }) => name),
      num_values: BigInt(values),
      total_compressed_size: size,
      total_uncompressed_size: size,
      data_page_offset: BigInt(offset),
    },
  }
  group.columns.push(chunk)
  group.total_byte_size += size
  group.total_compressed_size = (group.total_compressed_size ?? 0n) + size
}
