import type { Matrix } from '../engine/index.ts'
import type { EmbeddingSpace } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { decodeVector } from './vectors.ts'

/** Embeddings of a space as one matrix: row i belongs to `itemIds[i]`, in ascending order of id. */
export interface EmbeddingMatrix {
  readonly itemIds: string[]
  readonly matrix: Matrix
}

const PAGE = 4_000

/**
 * Reads the embeddings of a space page by page into one preallocated matrix. Erased items have none.
 *
 * @param onlyItems reads these only.
 */
export async function readEmbeddings(
  app: App,
  { projectId, id: spaceId, dimension }: Pick<EmbeddingSpace, 'projectId' | 'id' | 'dimension'>,
  onlyItems?: readonly string[],
  onRows: (read: number, total: number) => void = () => {},
): Promise<EmbeddingMatrix> {
  const total = onlyItems ? onlyItems.length : await app.prisma.embedding.count({ where: { projectId, spaceId } })
  let data = new Float32Array(total * dimension)
  const itemIds: string[] = []
  const wanted = onlyItems && [...onlyItems].sort()
  let after = '00000000-0000-0000-0000-000000000000'
  for (let from = 0; ; from += PAGE) {
    const rows = wanted
      ? await app.prisma.$queryRaw<{ itemId: string; bytes: Uint8Array }[]>`
          /* readEmbeddings: some */ SELECT "itemId", vector_send("vector") AS bytes FROM "Embedding"
          WHERE "projectId" = ${projectId}::uuid AND "spaceId" = ${spaceId}::uuid
            AND "itemId" = ANY(${wanted.slice(from, from + PAGE)}::uuid[]) ORDER BY "itemId"`
      : await app.prisma.$queryRaw<{ itemId: string; bytes: Uint8Array }[]>`
          /* readEmbeddings */ SELECT "itemId", vector_send("vector") AS bytes FROM "Embedding"
          WHERE "projectId" = ${projectId}::uuid AND "spaceId" = ${spaceId}::uuid AND "itemId" > ${after}::uuid
          ORDER BY "itemId" LIMIT ${PAGE}`
    if ((itemIds.length + rows.length) * dimension > data.length) {
      // Items were added since the count.
      const larger = new Float32Array((itemIds.length + rows.length) * 2 * dimension)
      larger.set(data)
      data = larger
    }
    for (const { itemId, bytes } of rows) {
      decodeVector(bytes, data, itemIds.length * dimension)
      itemIds.push(itemId)
    }
    onRows(itemIds.length, Math.max(total, itemIds.length))
    if (wanted ? from + PAGE >= wanted.length : rows.length < PAGE) break
    after = itemIds.at(-1) as string
  }
  return { itemIds, matrix: { data: data.slice(0, itemIds.length * dimension), rows: itemIds.length, cols: dimension } }
}
