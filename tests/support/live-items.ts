import { createRng } from '../../src/engine/rng.ts'

/** A JSONL manifest of items with random embeddings. */
export function syntheticItems(count: number, dimension: number, seed = 1): string {
  const rng = createRng(seed)
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ externalKey: `item-${i}`, embedding: Array.from({ length: dimension }, () => rng.normal()) }),
  )
  return `${lines.join('\n')}\n`
}
