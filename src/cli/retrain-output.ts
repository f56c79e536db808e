import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { stringify } from 'csv-stringify/sync'
import { encodeRecognitionModel, type Labels, type Matrix, type RetrainOutput } from '../engine/index.ts'
import { writeLabels } from './label-files.ts'
import { writeModel, writeWhole } from './model-folder.ts'
import type { RetrainRows } from './retrain-rows.ts'

/** What a retraining leaves behind: see docs/retraining.md. */
export interface Retrained extends Pick<RetrainOutput, 'first' | 'clustering' | 'pseudo' | 'final'> {
  readonly rows: RetrainRows
  /** Of all rows, by the first and by the final model. */
  readonly firstEmbeddings: Matrix
  readonly finalEmbeddings: Matrix
  readonly report: object
}

export const RECOGNITION_FILE = 'recognition.weights'
const FIRST_FOLDER = 'first'

/** The final model and its embeddings in `out`, the first one and the clustering model that belongs to it below; the report last. */
export async function writeRetrained(out: string, retrained: Retrained): Promise<void> {
  const { first, clustering, pseudo, final, rows, firstEmbeddings, finalEmbeddings, report } = retrained
  const firstFolder = path.join(out, FIRST_FOLDER)
  await mkdir(firstFolder, { recursive: true })
  await writeWhole(path.join(firstFolder, RECOGNITION_FILE), encodeRecognitionModel(first))
  await writeWhole(path.join(firstFolder, 'embeddings.f32'), bytesOf(firstEmbeddings))
  await writeModel(firstFolder, clustering, { choice: clustering.choice })
  await writeLabels(path.join(out, 'pseudo-labels.i32'), pseudo)
  if (rows.files) await writeWhole(path.join(out, 'rows.csv'), Buffer.from(rowLines(rows, pseudo)))
  await writeWhole(path.join(out, RECOGNITION_FILE), encodeRecognitionModel(final))
  await writeWhole(path.join(out, 'embeddings.f32'), bytesOf(finalEmbeddings))
  await writeWhole(path.join(out, 'report.json'), Buffer.from(`${JSON.stringify(report, null, 2)}\n`))
}

function rowLines({ files = [], labels, names = [] }: RetrainRows, pseudo: Labels): string {
  const lines = files.map((file, row) => [row, file, names[labels[row]] ?? '', pseudo[row] < 0 ? '' : pseudo[row]])
  return stringify([['row', 'file', 'label', 'pseudo_label'], ...lines])
}

const bytesOf = ({ data }: Matrix) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)
