import { Readable } from 'node:stream'
import { stringify } from 'csv-stringify'
import { type ExportFormatWriter, RECORD_COLUMNS, recordOf } from './export-format.ts'
import { shortDecimals } from './vectors.ts'

const ROWS_PER_PART = 250_000

/** One JSON object a line, with the vector as a list of numbers, exact in 32 bits, where asked for. */
export const jsonlWriter: ExportFormatWriter = {
  rowsPerPart: ROWS_PER_PART,
  async *write({ stem, rows }) {
    async function* lines() {
      for await (const row of rows()) {
        const { embedding } = row
        yield `${JSON.stringify({ ...recordOf(row), ...(embedding && { embedding: shortDecimals(embedding) }) })}\n`
      }
    }
    yield { name: `${stem}.jsonl`, content: Readable.from(lines()) }
  },
}

/** A header and one line an item; box and metadata are JSON, the vector base64 of little-endian float32. */
export const csvWriter: ExportFormatWriter = {
  rowsPerPart: ROWS_PER_PART,
  async *write({ stem, rows, includeEmbeddings }) {
    const columns = [...RECORD_COLUMNS, ...(includeEmbeddings ? ['embedding'] : [])]
    // Values that a spreadsheet would run as formulas are made text.
    const table = stringify({
      header: true,
      columns,
      escape_formulas: true,
      cast: { object: (value) => JSON.stringify(value) },
    })
    async function* records() {
      for await (const row of rows()) {
        const { embedding } = row
        const packed = embedding && Buffer.from(embedding.buffer, embedding.byteOffset, embedding.byteLength)
        yield { ...recordOf(row), ...(packed && { embedding: packed.toString('base64') }) }
      }
    }
    const source = Readable.from(records())
    source.once('error', (error) => table.destroy(error))
    yield { name: `${stem}.csv`, content: source.pipe(table) }
  },
}
