import { z } from 'zod'
import { isStorable } from './storable-text.ts'

/** One row of an import manifest, as read: checked against the project later. */
export interface ManifestRow {
  /** From 1, as an editor counts lines and NumPy's users count rows from 0 plus one. */
  readonly row: number
  readonly externalKey: string
  /** Path relative to the manifest, or an absolute address. */
  readonly image?: string
  /** The picture itself, where the manifest holds it. */
  readonly imageBytes?: Uint8Array
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
/** As long as the name of an identity, which it becomes. */
const MAX_LABEL = 200
const isStorableValue = (value: unknown): boolean => {
  if (typeof value === 'string') return isStorable(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, part]) => isStorable(key) && isStorableValue(part))
}
const BROKEN = 'has the character NUL or half a character'
const text = z.string().min(1).refine(isStorable, BROKEN)
const fraction = z.number().min(0).max(1)

const rowSchema = z.object({
  externalKey: text.max(MAX_KEY),
  image: text.optional(),
  embedding: z.union([z.array(z.number()), z.string()], 'must be a list of finite numbers, or base64').optional(),
  label: z
    .union([text, z.number(), z.bigint()], 'must be a text or a number')
    .transform((label) => String(label).trim())
    .refine(({ length }) => length >= 1 && length <= MAX_LABEL, `must have 1 to ${MAX_LABEL} characters`)
    .optional(),
  box: z
    .object({ x: fraction, y: fraction, width: fraction, height: fraction })
    .refine(({ x, y, width, height }) => x + width <= 1.0001 && y + height <= 1.0001, 'reaches out of the picture')
    .optional(),
  metadata: z.record(z.string(), z.unknown()).refine(isStorableValue, `${BROKEN} in a text`).optional(),
})

/** Why a text can not be a key or a label; for formats whose rows are no objects. */
export function problemOfText(what: 'externalKey' | 'label', value: string): string | undefined {
  const most = what === 'label' ? MAX_LABEL : MAX_KEY
  if (value.length < 1 || value.length > most) return `${what} must have 1 to ${most} characters: got ${value.length}`
  return isStorable(value) ? undefined : `${what}: ${BROKEN}`
}

const SLAB_BYTES = 1 << 20
/** Memory that embeddings are decoded into, one after the other: a piece of its own for each costs more than decoding. */
let slab = Buffer.alloc(0)
let used = 0

/** An embedding is a list of numbers, or base64 of little-endian float32. */
function readEmbedding(raw: number[] | string): Float32Array {
  if (typeof raw !== 'string') return Float32Array.from(raw)
  const size = Buffer.byteLength(raw, 'base64')
  if (used + size > slab.length) {
    slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, size))
    used = 0
  }
  const length = slab.write(raw, used, 'base64')
  if (length === 0 || length % 4 !== 0) {
    throw new Error(`embedding in base64 must hold whole float32 values: got ${length} bytes`)
  }
  const embedding = new Float32Array(slab.buffer, used, length / 4)
  used += length
  return embedding
}

/** What a row says, by the names that we use for it; `file_name` is Hugging Face's. Absent and null are the same. */
function presentIn(raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return raw
  const { file_name, ...row } = raw as Record<string, unknown>
  row.image ??= file_name
  // A picture that has no key of its own is named by its path.
  row.externalKey ??= row.image
  for (const column in row) if (row[column] === null) row[column] = undefined
  return row
}

function problemOf({ path, message }: z.core.$ZodIssue, row: unknown): string {
  if (path.length === 0) return 'the row must be an object of columns and values'
  if (path[0] === 'externalKey' && (row as { externalKey?: unknown }).externalKey === undefined) {
    return 'externalKey is missing, and there is no image to name the item by'
  }
  return `${path.join('.')}: ${message}`
}

/**
 * A row of a manifest in any format, checked. `parts` are what a format holds in binary form and need no parsing.
 */
export function checkRow(
  row: number,
  raw: unknown,
  parts: Pick<ManifestRow, 'embedding' | 'imageBytes'> = {},
): ManifestRow | BrokenRow {
  const present = presentIn(raw)
  const parsed = rowSchema.safeParse(present)
  const externalKey = (present as { externalKey?: unknown } | null)?.externalKey
  const key = typeof externalKey === 'string' ? { externalKey } : {}
  if (!parsed.success) {
    return { row, ...key, problem: problemOf(parsed.error.issues[0] as z.core.$ZodIssue, present) }
  }
  const { embedding, label, ...rest } = parsed.data
  try {
    return {
      row,
      ...rest,
      ...parts,
      ...(embedding !== undefined && { embedding: readEmbedding(embedding) }),
      ...(label !== undefined && { label }),
    }
  } catch (error) {
    return { row, ...key, problem: (error as Error).message }
  }
}

export const isBroken = (row: ManifestRow | BrokenRow): row is BrokenRow => 'problem' in row
