import { Readable } from 'node:stream'
import type { SchemaElement } from 'hyparquet'
import { ByteWriter, type ColumnSource, ParquetWriter } from 'hyparquet-writer'
import { type ExportFormatWriter, type ExportRow, RECORD_COLUMNS, recordOf } from './export-format.ts'
import { appendVectorColumn, VECTOR_SCHEMA } from './parquet-vectors.ts'

const ROWS_PER_PART = 250_000
/** A row group is in memory while it is written. */
const MAX_GROUP_ROWS = 10_000
const GROUP_VECTOR_BYTES = 8 * 1024 ** 2

type Column = (typeof RECORD_COLUMNS)[number]

const NUMBERS: readonly Column[] = ['width', 'height']
const OBJECTS: readonly Column[] = ['box', 'metadata']
const NULLABLE: readonly Column[] = ['identityName', 'imageSha256', 'box', 'metadata']

const elementOf = (name: Column): SchemaElement => ({
  name,
  repetition_type: NULLABLE.includes(name) ? 'OPTIONAL' : 'REQUIRED',
  ...(NUMBERS.includes(name)
    ? { type: 'INT32' }
    : { type: 'BYTE_ARRAY', converted_type: OBJECTS.includes(name) ? 'JSON' : 'UTF8' }),
})

async function* groups(rows: AsyncIterable<ExportRow>, size: number): AsyncGenerator<ExportRow[]> {
  let group: ExportRow[] = []
  for await (const row of rows) {
    group.push(row)
    if (group.length < size) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}

async function* parquetBytes(rows: AsyncIterable<ExportRow>, dimension: number): AsyncGenerator<Uint8Array> {
  const writer = new ByteWriter()
  const schema: SchemaElement[] = [
    { name: 'root', num_children: RECORD_COLUMNS.length + (dimension > 0 ? 1 : 0) },
    ...RECORD_COLUMNS.map(elementOf),
    ...(dimension > 0 ? VECTOR_SCHEMA : []),
  ]
  const parquet = new ParquetWriter({ writer, schema, createdBy: 'tributary' })
  // What a row group has written is handed on, and the buffer used again.
  const taken = () => {
    const bytes = writer.getBytes().slice()
    writer.index = 0
    return bytes
  }
  const size =
    dimension > 0 ? Math.min(MAX_GROUP_ROWS, Math.ceil(GROUP_VECTOR_BYTES / (4 * dimension))) : MAX_GROUP_ROWS
  for await (const group of groups(rows, size)) {
    const records = group.map(recordOf)
    const columnData: ColumnSource[] = RECORD_COLUMNS.map((name) => ({
      name,
      data: records.map((record) => record[name]),
    }))
    await parquet.write({ columnData, rowGroupSize: group.length })
    if (dimension > 0) {
      const vectors = group.map(({ embedding }) => embedding)
      appendVectorColumn(parquet, writer, vectors)
    }
    yield taken()
  }
  await parquet.finish()
  yield taken()
}

/** Columns as in the other tables; box and metadata are JSON, the vector a list of float32. */
export const parquetWriter: ExportFormatWriter = {
  rowsPerPart: ROWS_PER_PART,
  async *write({ app, version, stem, rows, includeEmbeddings }) {
    const { projectId, spaceId } = version
    const space = await app.prisma.embeddingSpace.findUniqueOrThrow({
      where: { projectId_id: { projectId, id: spaceId } },
    })
    const bytes = parquetBytes(rows(), includeEmbeddings ? space.dimension : 0)
    yield { name: `${stem}.parquet`, content: Readable.from(bytes, { objectMode: false }) }
  },
}
