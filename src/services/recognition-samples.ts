import { z } from 'zod'
import type { Samples } from '../engine/index.ts'
import type { EmbeddingSpace } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { readEmbeddings } from './embedding-matrix.ts'
import { DomainError } from './errors.ts'
import { readAll } from './media.ts'
import type { CropBox } from './ports.ts'

/** What a recognition model looks at: the vectors of another space, or pictures shrunk to a square. */
export const looksAtSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('embeddings') }),
  z.object({ kind: z.literal('pictures'), edge: z.number().int() }),
])
export type LooksAt = z.infer<typeof looksAtSchema>

/** Edge of the pictures that a convolutional backbone is trained on: small enough for CPUs. */
export const PICTURE_EDGE = 32
const CHANNELS = 3
const PICTURES_AT_ONCE = 8

export interface ReadSamples {
  readonly itemIds: string[]
  readonly samples: Samples
  /** Items whose picture can not be used, and why. */
  readonly failed: { readonly itemId: string; readonly problem: string }[]
}

/** Reads items as the model sees them, in ascending order of id; items without a vector or picture are left out. */
export async function readSamples(
  app: App,
  source: EmbeddingSpace,
  looksAt: LooksAt,
  itemIds: readonly string[],
  { signal, onRows = () => {} }: { signal: AbortSignal; onRows?: (read: number, total: number) => void },
): Promise<ReadSamples> {
  if (looksAt.kind === 'pictures') return readPictures(app, source.projectId, looksAt.edge, itemIds, signal, onRows)
  const { itemIds: found, matrix } = await readEmbeddings(app, source, itemIds, (read, total) => {
    signal.throwIfAborted()
    onRows(read, total)
  })
  return { itemIds: found, samples: { data: matrix.data, count: matrix.rows, shape: [matrix.cols] }, failed: [] }
}

async function readPictures(
  app: App,
  projectId: string,
  edge: number,
  itemIds: readonly string[],
  signal: AbortSignal,
  onRows: (read: number, total: number) => void,
): Promise<ReadSamples> {
  const items = await app.prisma.$queryRaw<{ id: string; imageKey: string; box: CropBox | null }[]>`
    /* readPictures */ SELECT "id", "imageKey", "box" FROM "Item"
    WHERE "projectId" = ${projectId}::uuid AND "id" = ANY(${[...itemIds]}::uuid[]) AND "imageKey" IS NOT NULL
      AND "erasedAt" IS NULL ORDER BY "id"`
  const values = edge * edge * CHANNELS
  const data = new Uint8Array(items.length * values)
  const found: string[] = []
  const failed: { itemId: string; problem: string }[] = []
  for (let from = 0; from < items.length; from += PICTURES_AT_ONCE) {
    signal.throwIfAborted()
    const part = items.slice(from, from + PICTURES_AT_ONCE)
    const pixels = await Promise.all(
      part.map(async ({ imageKey, box }) => {
        try {
          return (await app.images.pixels(await readAll(app, imageKey), { width: edge, height: edge }, box)).data
        } catch (error) {
          if (error instanceof DomainError) return error.message
          throw error
        }
      }),
    )
    part.forEach(({ id }, i) => {
      const got = pixels[i] as Uint8Array | string
      if (typeof got === 'string') {
        failed.push({ itemId: id, problem: got })
        return
      }
      data.set(got, found.length * values)
      found.push(id)
    })
    onRows(Math.min(items.length, from + PICTURES_AT_ONCE), items.length)
  }
  return {
    itemIds: found,
    samples: { data: data.subarray(0, found.length * values), count: found.length, shape: [edge, edge, CHANNELS] },
    failed,
  }
}

/** Items that a model looking at this could embed and that have no vector in the space yet, in ascending order of id. */
export async function listUnembedded(
  app: App,
  space: EmbeddingSpace,
  looksAt: LooksAt,
  after: string,
  limit: number,
): Promise<string[]> {
  const { projectId, id: spaceId, sourceSpaceId } = space
  const rows =
    looksAt.kind === 'pictures'
      ? await app.prisma.$queryRaw<{ id: string }[]>`
          /* listUnembedded: pictures */ SELECT i."id" FROM "Item" i
          WHERE i."projectId" = ${projectId}::uuid AND i."id" > ${after}::uuid AND i."imageKey" IS NOT NULL
            AND i."erasedAt" IS NULL AND NOT EXISTS (SELECT 1 FROM "Embedding" e WHERE e."projectId" = i."projectId"
              AND e."spaceId" = ${spaceId}::uuid AND e."itemId" = i."id")
          ORDER BY i."id" LIMIT ${limit}`
      : await app.prisma.$queryRaw<{ id: string }[]>`
          /* listUnembedded */ SELECT s."itemId" AS id FROM "Embedding" s
          WHERE s."projectId" = ${projectId}::uuid AND s."spaceId" = ${sourceSpaceId}::uuid
            AND s."itemId" > ${after}::uuid AND NOT EXISTS (SELECT 1 FROM "Embedding" e
              WHERE e."projectId" = s."projectId" AND e."spaceId" = ${spaceId}::uuid AND e."itemId" = s."itemId")
          ORDER BY s."itemId" LIMIT ${limit}`
  return rows.map(({ id }) => id)
}

/** How many that are. */
export async function countUnembedded(app: App, space: EmbeddingSpace, looksAt: LooksAt): Promise<number> {
  const { projectId, id: spaceId, sourceSpaceId } = space
  const [row] =
    looksAt.kind === 'pictures'
      ? await app.prisma.$queryRaw<{ n: number }[]>`
          /* countUnembedded: pictures */ SELECT count(*)::int AS n FROM "Item" i
          WHERE i."projectId" = ${projectId}::uuid AND i."imageKey" IS NOT NULL AND i."erasedAt" IS NULL
            AND NOT EXISTS (SELECT 1 FROM "Embedding" e WHERE e."projectId" = i."projectId"
              AND e."spaceId" = ${spaceId}::uuid AND e."itemId" = i."id")`
      : await app.prisma.$queryRaw<{ n: number }[]>`
          /* countUnembedded */ SELECT count(*)::int AS n FROM "Embedding" s
          WHERE s."projectId" = ${projectId}::uuid AND s."spaceId" = ${sourceSpaceId}::uuid
            AND NOT EXISTS (SELECT 1 FROM "Embedding" e WHERE e."projectId" = s."projectId"
              AND e."spaceId" = ${spaceId}::uuid AND e."itemId" = s."itemId")`
  return row?.n ?? 0
}
