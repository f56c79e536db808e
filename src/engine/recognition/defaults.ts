import { type BackboneShape, convolutionalBackbone, embeddingHead } from './backbone.ts'

/** Dimension of new embeddings; of given vectors that are shorter, their own. */
const EMBEDDING = 128
/** Channels of the first convolution. */
const WIDTH = 24
/** Passes over the pseudo-labelled samples that the steps of a training are meant for: half of every batch is theirs. */
const PASSES = 12
const [FEWEST_STEPS, MOST_STEPS] = [400, 6_000]

/** The network for samples of a shape: a small convolutional one for pictures, a head for given vectors. */
export function backboneFor(shape: readonly number[]): BackboneShape {
  const [first, second, third] = shape
  return shape.length === 1
    ? embeddingHead(first, Math.min(EMBEDDING, first))
    : convolutionalBackbone([first, second, third], EMBEDDING, WIDTH)
}

/** How many steps so many samples are worth, within what CPUs do in minutes. */
export function stepsFor(samples: number, batchSize: number): number {
  return Math.min(MOST_STEPS, Math.max(FEWEST_STEPS, Math.ceil((PASSES * samples) / (batchSize / 2))))
}
