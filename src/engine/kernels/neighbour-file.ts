import type { NeighbourLists } from '../types.ts'
import { readAll } from './raw-file.ts'

/** Neighbour lists that stay on disk, as `NeighbourLists` has them: int32 and float32, row-major, no header. */
export interface NeighbourFile {
  readonly n: number
  readonly k: number
  readonly idsFile: string
  readonly similaritiesFile: string
}

/** Where neighbour lists lie. */
export type NeighbourStore = NeighbourLists | NeighbourFile

/** Lists of rows [first, first + count) in memory; all of them by default. A list of a part still names rows of the whole. */
export async function readLists(store: NeighbourStore, first = 0, count = store.n - first): Promise<NeighbourLists> {
  const { k } = store
  if ('ids' in store) {
    if (first === 0 && count === store.n) return store
    const [from, to] = [first * k, (first + count) * k]
    return { n: count, k, ids: store.ids.subarray(from, to), similarities: store.similarities.subarray(from, to) }
  }
  const ids = await readAll(store.idsFile, new Int32Array(count * k), first * k * 4)
  const similarities = await readAll(store.similaritiesFile, new Float32Array(count * k), first * k * 4)
  return { n: count, k, ids, similarities }
}
