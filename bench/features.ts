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

/** Rows that are made where they are needed, so that millions need never be in memory together. */
export interface FeatureSource extends Omit<LabelledFeatures, 'features'> {
  /** Rows [first, first + count): the same values whichever way the whole is cut. */
  rows(first: number, count: number): Matrix
}

/** A million normals serve billions of values. */
const BANK = 1 << 20

/**
 * Unit rows in classes with long-tail sizes, in random order.
 *
 * A row is its class's direction plus noise of `noise` times its length: two rows of a class have an expected similarity of
 * 1 / (1 + noise^2). Class directions form families that share half of their variance, so that some classes are hard to
 * tell apart.
 */
export function featureSource(n: number, cols: number, seed: number, noise = 1): FeatureSource {
  const rng = createRng(seed)
  const [sizes, sizesFrom] = classSizes(n, rng)
  const labels = new Int32Array(n)
  for (let label = 0, row = 0; label < sizes.length; row += sizes[label++]) labels.fill(label, row, row + sizes[label])
  rng.shuffle(labels)
  const bank = normals(rng, BANK)
  // Each vector is read from the bank at a place and in steps of its own: no two read the same sequence.
  const families = places(rng, Math.max(1, Math.ceil(sizes.length / 20)))
  const family = Int32Array.from(sizes, () => rng.int(families.at.length))
  const classes = places(rng, sizes.length)
  const own = places(rng, n)

  function rows(first: number, count: number): Matrix {
    const data = new Float32Array(count * cols)
    for (let i = 0; i < count; i++) {
      const row = first + i
      const label = labels[row]
      let [a, b, c] = [families.at[family[label]], classes.at[label], own.at[row]]
      const [aStep, bStep, cStep] = [families.step[family[label]], classes.step[label], own.step[row]]
      let square = 0
      for (let at = i * cols; at < (i + 1) * cols; at++) {
        const value = (bank[a] + bank[b]) * Math.SQRT1_2 + noise * bank[c]
        data[at] = value
        square += value * value
        a = (a + aStep) & (BANK - 1)
        b = (b + bStep) & (BANK - 1)
        c = (c + cStep) & (BANK - 1)
      }
      const scale = 1 / Math.sqrt(square)
      for (let at = i * cols; at < (i + 1) * cols; at++) data[at] *= scale
    }
    return { data, rows: count, cols }
  }
  return { rows, labels, classes: sizes.length, sizesFrom }
}

/** All rows of `featureSource`. */
export function syntheticFeatures(n: number, cols: number, seed: number, noise = 1): LabelledFeatures {
  const { rows, ...rest } = featureSource(n, cols, seed, noise)
  return { features: rows(0, n), ...rest }
}

/** Where in the bank each of `count` vectors begins, and its odd steps. */
function places(rng: Rng, count: number): { at: Int32Array; step: Int32Array } {
  return {
    at: Int32Array.from({ length: count }, () => rng.int(BANK)),
    step: Int32Array.from({ length: count }, () => 2 * rng.int(BANK / 2) + 1),
  }
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
