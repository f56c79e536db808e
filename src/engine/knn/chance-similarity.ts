import { createRng } from '../rng.ts'
import type { Matrix } from '../types.ts'

const PAIRS = 2000

/**
 * Cosine of two rows drawn by chance: mean and standard deviation.
 *
 * @param x L2-normalised rows, at least two
 */
export function chanceSimilarity(x: Matrix, seed: number): { mean: number; deviation: number } {
  const rng = createRng(seed)
  let sum = 0
  let squares = 0
  for (let i = 0; i < PAIRS; i++) {
    const a = rng.int(x.rows)
    const b = (a + 1 + rng.int(x.rows - 1)) % x.rows
    let s = 0
    for (let c = 0; c < x.cols; c++) s += x.data[a * x.cols + c] * x.data[b * x.cols + c]
    sum += s
    squares += s * s
  }
  const mean = sum / PAIRS
  return { mean, deviation: Math.sqrt(Math.max(0, squares / PAIRS - mean * mean)) }
}
