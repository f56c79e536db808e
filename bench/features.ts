import { existsSync, readFileSync } from 'node:fs'
import { createRng } from '../src/engine/rng.ts'
import type { Labels, Matrix, Rng } from '../src/engine/types.ts'

/** Real class sizes, where this checkout has them beside it. */
const REAL_SIZES = new URL('../../shared/data/deepfashion_class_sizes.json', import.meta.url)

export interface LabelledFeatures {
  readonly features: Matrix
  readonly labels: Labels
  readonly classes: number
  readonly sizesFrom: 'deepfashion' | 'lognormal'
}

/**
 * Unit rows in classes with long-tail sizes, in random order.
 *
 * A row is its class's direction plus noise of `noise` times its length: two rows of a class have an expected similarity of
 * 1 / (1 + noise^2). Class directions form families that share half of their variance, so that some classes are hard to
 * tell apart.
 */
export function syntheticFeatures(n: number, cols: number, seed: number, noise = 1): LabelledFeatures {
  const rng = createRng(seed)
  const [sizes, sizesFrom] = classSizes(n, rng)
  const order = rng.shuffle(Int32Array.from({ length: n }, (_, i) => i))
  const labels = new Int32Array(n)
  const data = new Float32Array(n * cols)
  const familyCount = Math.max(1, Math.ceil(sizes.length / 20))
  const families = normals(rng, familyCount * cols)
  const bank = normals(rng, 1 << 20)

  let next = 0
  for (let label = 0; label < sizes.length; label++) {
    const family = rng.int(familyCount) * cols
    const centre = normals(rng, cols)
    for (let c = 0; c < cols; c++) centre[c] = (centre[c] + families[family + c]) * Math.SQRT1_2
    for (let member = 0; member < sizes[label]; member++) {
      const row = order[next++]
      labels[row] = label
      // Noise is read from a bank of normals at a random place with a random step: a million draws serve billions of
      // values, and two rows never read the same sequence.
      const at = rng.int(bank.length)
      const step = 2 * rng.int(4096) + 1
      let square = 0
      for (let c = 0; c < cols; c++) {
        const value = centre[c] + noise * bank[(at + c * step) & (bank.length - 1)]
        data[row * cols + c] = value
        square += value * value
      }
      const scale = 1 / Math.sqrt(square)
      for (let c = row * cols; c < (row + 1) * cols; c++) data[c] *= scale
    }
  }
  return { features: { data, rows: n, cols }, labels, classes: sizes.length, sizesFrom }
}

function classSizes(n: number, rng: Rng): [number[], 'deepfashion' | 'lognormal'] {
  const real = readRealSizes()
  const sizes: number[] = []
  for (let sum = 0; sum < n; ) {
    const size = real ? real[rng.int(real.length)] : Math.max(1, Math.round(Math.exp(2.3 + 1.1 * rng.normal())))
    sizes.push(Math.min(size, n - sum))
    sum += size
  }
  return [sizes, real ? 'deepfashion' : 'lognormal']
}

function readRealSizes(): number[] | undefined {
  if (!existsSync(REAL_SIZES)) return undefined
  const { sizes_desc: sizes } = JSON.parse(readFileSync(REAL_SIZES, 'utf8')) as { sizes_desc: number[] }
  return sizes
}

function normals(rng: Rng, length: number): Float32Array {
  const out = new Float32Array(length)
  for (let i = 0; i < length; i++) out[i] = rng.normal()
  return out
}
