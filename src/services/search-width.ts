import type { EmbeddingSpace } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { findNearest, findNearestExactly } from './similarity.ts'

/** Candidates that a search may keep: more find more, and take longer. */
const WIDTHS = [40, 80, 120, 200, 400]
/** Share of the ten nearest that is enough: a sample above it is rarely a whole below .95. */
const ENOUGH = 0.97
/** A wider search takes up to twice as long: what it adds must be worth it, and more than the error of the sample. */
const LEAST_GAIN = 0.025
const NEIGHBOURS = 10
const MOST_QUERIES = 50
const LEAST_QUERIES = 10
/** Exact searches of a large space take a second each. */
const MOST_MS = 60_000

export interface SearchWidth {
  readonly searchWidth: number
  readonly searchRecall: number
}

/**
 * The least width whose searches find enough of the ten nearest, measured against exact search on items of the space; where
 * none does, the least that no wider one betters by more than the sample can tell. How hard a graph is to search depends on the data
 * and not on its size alone.
 */
export async function chooseSearchWidth(
  app: App,
  space: EmbeddingSpace,
  { signal, onProgress }: { signal: AbortSignal; onProgress(completed: number, total: number): void },
): Promise<SearchWidth> {
  const sample = await app.prisma.$queryRaw<{ itemId: string }[]>`
    /* chooseSearchWidth */ SELECT "itemId" FROM "Embedding" WHERE "projectId" = ${space.projectId}::uuid
      AND "spaceId" = ${space.id}::uuid ORDER BY md5("itemId"::text) LIMIT ${MOST_QUERIES}`
  const startedAt = performance.now()
  const exact = new Map<string, ReadonlySet<string>>()
  for (const { itemId } of sample) {
    if (exact.size >= LEAST_QUERIES && performance.now() - startedAt > MOST_MS) break
    signal.throwIfAborted()
    exact.set(itemId, new Set(await findNearestExactly(app, space, itemId, NEIGHBOURS)))
    onProgress(exact.size, sample.length)
  }
  const total = [...exact.values()].reduce((sum, { size }) => sum + size, 0)
  const measured: SearchWidth[] = []
  for (const searchWidth of WIDTHS) {
    signal.throwIfAborted()
    const found = await findNearest(app, { ...space, searchWidth }, [...exact.keys()], NEIGHBOURS)
    const hits = found.filter(({ queryId, itemId }) => exact.get(queryId)?.has(itemId)).length
    measured.push({ searchWidth, searchRecall: total > 0 ? hits / total : 1 })
    if (hits >= ENOUGH * total) break
  }
  return leastThatDoes(measured)
}

/** Of widths in growing order, the first that finds enough or nearly as much as the best. */
export function leastThatDoes(measured: readonly SearchWidth[]): SearchWidth {
  const best = Math.max(...measured.map(({ searchRecall }) => searchRecall))
  return measured.find(({ searchRecall }) => searchRecall >= Math.min(ENOUGH, best - LEAST_GAIN)) as SearchWidth
}
