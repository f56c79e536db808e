import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LabelledPictures } from './pictures.ts'

const DIMENSION = 256

/** The same characters as vectors of a MobileNet that has never seen one: what a head on given embeddings is trained on. */
export function omniglotVectors(folder = join('..', 'shared', 'data', 'omniglot242_mnv2_256')): LabelledPictures {
  const read = (name: string) => new Uint8Array(readFileSync(join(folder, name))).buffer
  const labels = new Int32Array(read('labels.i32'))
  const data = new Float32Array(read('features.f32'))
  // A head sees values of the size of one, whatever the length of the vectors.
  for (let i = 0; i < data.length; i++) data[i] *= Math.sqrt(DIMENSION)
  return { name: 'omniglot-vectors', data, count: labels.length, shape: [DIMENSION], labels }
}
