import { existsSync, readFileSync } from 'node:fs'
import { selectRows } from '../src/engine/knn/sub-lists.ts'
import type { Labels, Matrix } from '../src/engine/types.ts'

/** Real labelled embeddings, where they lie beside this checkout. */
const FOLDER = new URL('../../shared/data/', import.meta.url)

export interface LabelledRows {
  readonly features: Matrix
  readonly labels: Labels
}

export const hasLabelledSet = (name: string): boolean => existsSync(new URL(`${name}/features.f32`, FOLDER))

/** All rows of a set, or one half of them: 0 to train on, 1 to test on. No class is in both. */
export function loadLabelledSet(name: string, half?: 0 | 1): LabelledRows {
  const read = (file: string) => new Uint8Array(readFileSync(new URL(`${name}/${file}`, FOLDER)))
  const labels = new Int32Array(read('labels.i32').buffer)
  const data = new Float32Array(read('features.f32').buffer)
  const features = { data, rows: labels.length, cols: data.length / labels.length }
  if (half === undefined) return { features, labels }
  const split = read('split.u8')
  const rows = Int32Array.from(labels.keys()).filter((row) => split[row] === half)
  return { features: selectRows(features, rows), labels: rows.map((row) => labels[row]) }
}
