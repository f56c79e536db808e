import type { ImportConflict } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import type { EmbeddedSubject, Embedder } from './embedder-port.ts'
import { DomainError } from './errors.ts'
import type { FailedRow } from './failed-rows.ts'
import type { ReadyRow } from './import-batch.ts'
import { type ImportSource, readImage } from './import-source.ts'
import type { ManifestRow } from './manifest.ts'
import type { ImageFacts } from './ports.ts'
import { problemOfVector } from './vectors.ts'

/** Pictures that are in memory together. */
const PICTURES_AT_ONCE = 16

export interface PrepareContext {
  readonly app: App
  readonly projectId: string
  readonly source: ImportSource
  readonly dimension: number
  readonly onExisting: ImportConflict
  /** Embeds pictures that come without a vector; without it they are stored without one. */
  readonly embedder?: Embedder
  readonly signal: AbortSignal
}

export interface PreparedRows {
  readonly ready: ReadyRow[]
  readonly failed: FailedRow[]
}

const hasPicture = (row: ManifestRow): boolean => row.image !== undefined || row.imageBytes !== undefined

/**
 * Checks the vectors of a batch of rows, reads and stores their pictures, and embeds those that have no vector: a picture
 * with several faces becomes several items. What is wrong with a row is its problem alone.
 */
export async function prepareRows(context: PrepareContext, rows: readonly ManifestRow[]): Promise<PreparedRows> {
  const outcomes = new Map<ManifestRow, ReadyRow[] | string>()
  const pictured: ManifestRow[] = []
  for (const row of rows) {
    const problem = row.embedding && problemOfVector(row.embedding, context.dimension)
    if (problem) outcomes.set(row, `embedding ${problem}`)
    else if (hasPicture(row)) pictured.push(row)
    else if (!row.embedding) outcomes.set(row, 'a row needs an image or an embedding: got neither')
  }
  for (const [row, problem] of await findNeedless(context, pictured)) outcomes.set(row, problem)
  const wanted = pictured.filter((row) => !outcomes.has(row))
  for (let at = 0; at < wanted.length; at += PICTURES_AT_ONCE) {
    context.signal.throwIfAborted()
    await preparePictures(context, wanted.slice(at, at + PICTURES_AT_ONCE), outcomes)
  }
  const ready: ReadyRow[] = []
  const failed: FailedRow[] = []
  for (const row of rows) {
    const outcome = outcomes.get(row)
    if (outcome === undefined) ready.push({ ...row, width: 0, height: 0 })
    else if (typeof outcome === 'string') failed.push({ row: row.row, externalKey: row.externalKey, problem: outcome })
    else ready.push(...outcome)
  }
  return { ready, failed }
}

/** Rows whose item exists and is not to be replaced: their pictures need not be read, let alone embedded. */
async function findNeedless(
  { app, projectId, onExisting }: PrepareContext,
  rows: readonly ManifestRow[],
): Promise<Map<ManifestRow, ReadyRow[] | string>> {
  if (rows.length === 0 || onExisting === 'REPLACE') return new Map()
  const known = await app.prisma.item.findMany({
    where: { projectId, externalKey: { in: rows.map(({ externalKey }) => externalKey) }, erasedAt: null },
    select: { externalKey: true },
  })
  const keys = new Set(known.map(({ externalKey }) => externalKey))
  return new Map(
    rows
      .filter(({ externalKey }) => keys.has(externalKey))
      .map((row) => [row, onExisting === 'SKIP' ? [] : `externalKey ${row.externalKey} exists already`]),
  )
}

interface Picture {
  readonly bytes: Uint8Array
  readonly facts: ImageFacts
}

/** The value, or the words of a refusal; an outage is thrown. */
async function orProblem<Value>(work: () => Promise<Value>): Promise<Value | string> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof DomainError) return error.message
    throw error
  }
}

async function preparePictures(
  context: PrepareContext,
  rows: readonly ManifestRow[],
  outcomes: Map<ManifestRow, ReadyRow[] | string>,
): Promise<void> {
  const { app, source, embedder, signal } = context
  // Rows with boxes often share a picture.
  const reads = new Map<string, Promise<Picture | string>>()
  const read = async (bytes: Uint8Array): Promise<Picture> => ({ bytes, facts: await app.images.inspect(bytes) })
  const pictureOf = ({ image, imageBytes }: ManifestRow): Promise<Picture | string> => {
    if (imageBytes) return orProblem(() => read(imageBytes))
    const name = image as string
    const reading = reads.get(name) ?? orProblem(async () => read(await readImage(app, source, name, signal)))
    reads.set(name, reading)
    return reading
  }
  const pictures = await Promise.all(
    rows.map(async (row) => {
      const picture = await pictureOf(row)
      if (typeof picture === 'string') outcomes.set(row, picture)
      return { row, picture }
    }),
  )
  const readable = pictures.filter((pair): pair is { row: ManifestRow; picture: Picture } => {
    return typeof pair.picture !== 'string'
  })

  const subjects = new Map<ManifestRow, readonly EmbeddedSubject[]>()
  const bare = embedder ? readable.filter(({ row }) => !row.embedding) : []
  if (embedder && bare.length > 0) {
    const found = await embedder.embed(
      bare.map(({ row, picture }) => ({ bytes: picture.bytes, ...(row.box && { box: row.box }) })),
      signal,
    )
    bare.forEach(({ row }, i) => {
      const outcome = found[i] as (typeof found)[number]
      const problem = 'problem' in outcome ? outcome.problem : problemOf(row, outcome, embedder)
      if (problem) outcomes.set(row, problem)
      else subjects.set(row, outcome as readonly EmbeddedSubject[])
    })
  }

  const stored = new Map<Picture, Promise<string>>()
  await Promise.all(
    readable.map(async ({ row, picture }) => {
      if (outcomes.has(row)) return
      const storing = stored.get(picture) ?? app.files.put(picture.bytes).then(({ key }) => key)
      stored.set(picture, storing)
      const imageKey = await storing
      const { imageBytes: _bytes, ...rest } = row
      const ready: ReadyRow = { ...rest, imageKey, width: picture.facts.width, height: picture.facts.height }
      outcomes.set(row, subjects.has(row) ? itemsOf(ready, subjects.get(row) as readonly EmbeddedSubject[]) : [ready])
    }),
  )
}

/** Why what was found in a picture can not stand for its row. */
export function problemOf(
  { label, box }: Pick<ManifestRow, 'label' | 'box'>,
  found: readonly EmbeddedSubject[],
  { subject }: Embedder,
): string | undefined {
  if (found.length === 0) return `no ${subject ?? 'subject'} was found in the ${box ? 'box' : 'picture'}`
  if (label && found.length > 1) {
    return `the label ${label} must mean one ${subject ?? 'subject'}: the picture has ${found.length}; give the box of the one that is meant, or no label`
  }
  return undefined
}

/** The largest subject has the key of the row, the others the key with #2, #3 and so on. */
export const itemsOf = (row: ReadyRow, subjects: readonly EmbeddedSubject[]): ReadyRow[] =>
  subjects.map(({ vector, box }, i) => ({
    ...row,
    externalKey: i === 0 ? row.externalKey : `${row.externalKey}#${i + 1}`,
    embedding: vector,
    ...(!row.box && box && { box }),
  }))
