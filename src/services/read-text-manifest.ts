import { parse as parseCsv } from 'csv-parse'
import { DomainError } from './errors.ts'
import type { ImportFile } from './import-file.ts'
import { type BrokenRow, checkRow, type ManifestRow } from './manifest.ts'
import { textLines } from './text-lines.ts'

/** One JSON object a line; empty lines are skipped but counted. Rows up to `after` are not even parsed. */
export async function* readJsonl(file: ImportFile, after: number): AsyncGenerator<ManifestRow | BrokenRow> {
  let row = 0
  for await (const line of textLines(await file.open(), file.name)) {
    row++
    if (row <= after || line.trim() === '') continue
    let raw: unknown
    try {
      raw = JSON.parse(line)
    } catch (error) {
      yield { row, problem: `not a JSON object: ${(error as Error).message}` }
      continue
    }
    yield checkRow(row, raw)
  }
}

/** Columns that can name an item. */
const KEY_COLUMNS = ['externalKey', 'image', 'file_name']

function parseCell(column: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${column} must be JSON: ${(error as Error).message}`)
  }
}

/** CSV with a header, which is row 1; `embedding` holds base64 or a JSON list, `metadata` and `box` a JSON object. */
export async function* readCsv(file: ImportFile, after: number): AsyncGenerator<ManifestRow | BrokenRow> {
  const stream = await file.open()
  const parser = stream.pipe(
    parseCsv({
      columns: (header: string[]) => {
        if (KEY_COLUMNS.some((column) => header.includes(column))) return header
        throw new DomainError(
          'INVALID',
          `${file.name} must have a column ${KEY_COLUMNS.join(' or ')}: got ${header.join(', ')}`,
        )
      },
      bom: true,
      skip_empty_lines: true,
      relax_column_count: true,
      max_record_size: 16 * 1024 ** 2,
    }),
  )
  stream.once('error', (error) => parser.destroy(error))
  let row = 1
  try {
    for await (const record of parser as AsyncIterable<Record<string, string>>) {
      row++
      if (row <= after) continue
      const present = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ''))
      try {
        // What the parser could not read as UTF-8 (or UTF-16 with a byte order mark) is this character by now.
        if (Object.values(present).some((value) => value.includes('\ufffd'))) {
          throw new Error('the row is not UTF-8: save the file as UTF-8')
        }
        const raw: Record<string, unknown> = { ...present }
        if (present.embedding?.startsWith('[')) raw.embedding = parseCell('embedding', present.embedding)
        if (present.metadata) raw.metadata = parseCell('metadata', present.metadata)
        if (present.box) raw.box = parseCell('box', present.box)
        yield checkRow(row, raw)
      } catch (error) {
        yield { row, externalKey: present.externalKey, problem: (error as Error).message }
      }
    }
  } catch (error) {
    // A quote that is never closed makes the rest of the file one cell: there are no further rows to go on with.
    if ((error as { code?: string }).code?.startsWith('CSV_')) {
      throw new DomainError('INVALID', `${file.name} is no readable CSV after row ${row}: ${(error as Error).message}`)
    }
    throw error
  } finally {
    stream.destroy()
  }
}
