import type { Samples } from '../../src/engine/index.ts'

/** Small pictures of one size, and the identity of each. */
export interface LabelledPictures extends Samples {
  readonly name: string
  /** int32 [n] */
  readonly labels: Int32Array
}
