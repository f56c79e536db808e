import type { LabelledRows } from '../engine/index.ts'
import { readFeatures } from './feature-files.ts'
import { readLabels } from './label-files.ts'

export async function readLabelledRows(features: string, labels: string, dim?: number): Promise<LabelledRows> {
  const matrix = await readFeatures(features, dim)
  return { features: matrix, labels: await readLabels(labels, matrix.rows) }
}
