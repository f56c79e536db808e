import * as tf from '@tensorflow/tfjs-core'
import { EngineError, throwIfAborted } from '../errors.ts'
import { chooseBackend } from '../gcn/backend.ts'
import { disposeParameters, type Parameters, toParameters } from '../gcn/parameters.ts'
import { nextTurn } from '../next-turn.ts'
import type { Control, Matrix } from '../types.ts'
import { copyInto } from './augmentation.ts'
import { type BackboneShape, forwardFinished, inputSize } from './backbone.ts'
import type { RecognitionModel } from './recognition-model.ts'
import { checkSamples, type Samples } from './samples.ts'

const BATCH = 256

/**
 * Embeddings of samples, float32 [n, d], each of unit length.
 *
 * @throws EngineError SHAPE_MISMATCH when the model looks at samples of another size, NOT_FINITE, ABORTED.
 */
export async function embedSamples(model: RecognitionModel, samples: Samples, control: Control = {}): Promise<Matrix> {
  checkSamples(samples)
  if (String(samples.shape) !== String(model.shape.input)) {
    throw new EngineError(
      'SHAPE_MISMATCH',
      `samples must be what the model was trained on: got [${samples.shape.join(', ')}], expected [${model.shape.input.join(', ')}]`,
    )
  }
  await chooseBackend()
  const parameters = toParameters(model.weights)
  const statistics = toParameters(model.statistics)
  try {
    return await embedBy(model.shape, parameters, statistics, samples, control)
  } finally {
    disposeParameters(parameters)
    disposeParameters(statistics)
  }
}

/** The same with weights that lie on the backend. */
export async function embedBy(
  shape: BackboneShape,
  parameters: Parameters,
  statistics: Parameters,
  samples: Samples,
  { signal, onProgress }: Control,
): Promise<Matrix> {
  const values = inputSize(shape)
  const data = new Float32Array(samples.count * shape.embedding)
  for (let from = 0; from < samples.count; from += BATCH) {
    await nextTurn()
    throwIfAborted(signal)
    const rows = Int32Array.from({ length: Math.min(BATCH, samples.count - from) }, (_, i) => from + i)
    const batch = new Float32Array(rows.length * values)
    copyInto(samples, rows, batch)
    const unit = tf.tidy(() => {
      const raw = forwardFinished(shape, parameters, statistics, tf.tensor(batch, [rows.length, ...shape.input]))
      return tf.div(raw, tf.sqrt(tf.add(tf.sum(tf.square(raw), 1, true), 1e-12)))
    })
    data.set(unit.dataSync() as Float32Array, from * shape.embedding)
    unit.dispose()
    onProgress?.({ phase: 'embed', completed: from + rows.length, total: samples.count })
  }
  return { data, rows: samples.count, cols: shape.embedding }
}
