import { EngineError } from '../errors.ts'
import type { WeightArrays } from '../gcn/parameters.ts'
import { decodeWeights, encodeWeights } from '../gcn/weights.ts'
import { type BackboneShape, initBackbone } from './backbone.ts'

/** A trained backbone: what makes embeddings of pictures, or better embeddings of given ones. */
export interface RecognitionModel {
  readonly shape: BackboneShape
  readonly weights: WeightArrays
  /** Running mean and variance of every layer. */
  readonly statistics: WeightArrays
  readonly seed: number
  readonly steps: number
}

const KIND = 'recognition-model'

/** @returns bytes that `decodeRecognitionModel` reads back to an equal model */
export function encodeRecognitionModel({ shape, weights, statistics, seed, steps }: RecognitionModel): Uint8Array {
  return encodeWeights({ kind: KIND, shape, seed, steps }, withPrefix({ weights, statistics }))
}

/** @throws EngineError BAD_WEIGHTS when the bytes are no model, are damaged, or lack a part. */
export function decodeRecognitionModel(bytes: Uint8Array): RecognitionModel {
  const { header, weights } = decodeWeights(bytes)
  if (header.kind !== KIND) {
    throw new EngineError('BAD_WEIGHTS', `the file must hold a recognition model: got ${JSON.stringify(header.kind)}`)
  }
  const shape = header.shape as BackboneShape
  const model = {
    shape,
    weights: partOf(weights, 'weights'),
    statistics: partOf(weights, 'statistics'),
    seed: Number(header.seed),
    steps: Number(header.steps),
  }
  const expected = initBackbone(shape, 0)
  for (const part of ['weights', 'statistics'] as const) {
    for (const [name, array] of Object.entries(expected[part])) {
      const got = model[part][name]?.shape
      if (String(got) === String(array.shape)) continue
      throw new EngineError(
        'BAD_WEIGHTS',
        `the model must hold ${part} ${name} of shape ${array.shape}: got ${got ?? 'none'}`,
      )
    }
  }
  return model
}

/** Groups of weights in one list: group/name. */
export function withPrefix(groups: Readonly<Record<string, WeightArrays>>): WeightArrays {
  return Object.fromEntries(
    Object.entries(groups).flatMap(([group, arrays]) =>
      Object.entries(arrays).map(([name, array]) => [`${group}/${name}`, array]),
    ),
  )
}

export function partOf(weights: WeightArrays, group: string): WeightArrays {
  return Object.fromEntries(
    Object.entries(weights)
      .filter(([name]) => name.startsWith(`${group}/`))
      .map(([name, array]) => [name.slice(group.length + 1), array]),
  )
}
