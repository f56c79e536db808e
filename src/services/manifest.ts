import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { parse as parseCsv } from 'csv-parse'
import { z } from 'zod'

/** One row of an import manifest, as read: checked against the project later. */
export interface ManifestRow {
  /** From 1, as an editor counts lines. */
  readonly row: number
  readonly externalKey: string
  /** Path relative to the manifest, or an absolute address. */
  readonly image?: string
  readonly embedding?: Float32Array
  readonly label?: string
  readonly box?: { x: number; y: number; width: number; height: number }
  readonly metadata?: Record<string, unknown>
}

/** A row that can not be read: the import goes on without it. */
export interface BrokenRow {
  readonly row: number
  readonly externalKey?: string
  readonly problem: string
}

const MAX_KEY = 512
const fraction = z.number().min(0).max(1)

const rowSchema = z.object({
  externalKey: z.string().min(1).max(MAX_KEY),
  image: z.string().min(1).optional(),
  embedding: z.union([z.array(z.number()), z.string()]).optional(),
  label: z.union([z.string().min(1), z.number()]).optional(),
  box: z.object({ x: fraction, y: fraction, width: fraction, height: fraction }).optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
})

/** An embedding is a list of numbers, or base64 of little-endian float32. */
function readEmbedding(raw: number[] | string): Float32Array {
  if (typeof raw !== 'string') return Float32Array.from(raw)
  const bytes = Buffer.from(raw, 'base64')
  if (bytes.length === 0 || bytes.length % 4 !== 0) {
    throw new Error(`embedding in base64 must hold whole float32 values: got ${bytes.length} bytes`)
  }
  // A copy: the buffer's own offset need not be a multiple of four.
  return new Float32Array(new Uint8Array(bytes).buffer)
}

function checkRow(row: number, raw: unknown): ManifestRow | BrokenRow {
  const parsed = rowSchema.safeParse(raw)
  const externalKey = (raw as { externalKey?: unknown } | null)?.externalKey
  const key = typeof externalKey === 'string' ? { externalKey } : {}
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return { row, ...key, problem: `${issue?.path.join('.') || 'row'}: ${issue?.message}` }
  }
  const { embedding, label, ...rest } = parsed.data
  try {
    return {
      row,
      ...rest,
      ...(embedding !== undefined && { embedding: readEmbedding(embedding) }),
      ...(label !== undefined && { label: String(label) }),
    }
  } catch (error) {
    return { row, ...key, problem: (error as Error).message }
  }
}

export const isBroken = (row: ManifestRow | BrokenRow): row is BrokenRow => 'problem' in row

/** One JSON object a line; empty lines are skipped but counted. */
async function* readJsonl(stream: Readable): AsyncGenerator<ManifestRow | BrokenRow> {
  let row = 0
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    row++
    if (line.trim() === '') continue
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

/** CSV with a header; `embedding` holds base64 or a JSON list, `metadata` a JSON object. */
async function* readCsv(stream: Readable): AsyncGenerator<ManifestRow | BrokenRow> {
  const parser = stream.pipe(parseCsv({ columns: true, bom: true, skip_empty_lines: true, relax_column_count: true }))
  stream.once('error', (error) => parser.destroy(error))
  let row = 1
  for await (const record of parser as AsyncIterable<Record<string, string>>) {
    row++
    const present = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ''))
    try {
      const raw: Record<string, unknown> = { ...present }
      if (present.embedding?.startsWith('[')) raw.embedding = JSON.parse(present.embedding)
      if (present.metadata) raw.metadata = JSON.parse(present.metadata)
      if (present.box) raw.box = JSON.parse(present.box)
      yield checkRow(row, raw)
    } catch (error) {
      yield { row, externalKey: present.externalKey, problem: (error as Error).message }
    }
  }
}

const READERS = { '.jsonl': readJsonl, '.ndjson': readJsonl, '.csv': readCsv } as const

export const MANIFEST_EXTENSIONS = Object.keys(READERS)

/** Reads a manifest as a stream, one row at a time; undefined for a name whose format is not known. */
export function readManifest(fileName: string, stream: Readable): AsyncGenerator<ManifestRow | BrokenRow> | undefined {
  const extension = /\.[a-z0-9]+$/i.exec(fileName)?.[0].toLowerCase() ?? ''
  return READERS[extension as keyof typeof READERS]?.(stream)
}
