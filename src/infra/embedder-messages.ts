import type { ModelBundle, ModelFacts } from '../services/embedder-port.ts'
import type { CropBox } from '../services/ports.ts'

/** Upright RGB pixels, 8 bits each, row by row. */
export interface RawPicture {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
}

export interface RawSubject {
  readonly vector: Float32Array
  readonly box?: CropBox
}

/** What the thread of embedders can do: input and output of each call. */
export interface EmbedderCalls {
  loadFaces: { input: undefined; output: { dimension: number } }
  loadModel: { input: { id: string; bundle: ModelBundle }; output: ModelFacts }
  dropModel: { input: { id: string }; output: undefined }
  inspectModel: { input: ModelBundle; output: ModelFacts }
  /** `isCrop`: the picture is known to show one face, whether the detector sees it or not. */
  embedFaces: { input: { picture: RawPicture; isCrop: boolean }[]; output: RawSubject[][] }
  /** A vector that is all zero or not finite comes back empty. */
  embedModel: { input: { id: string; pictures: RawPicture[] }; output: Float32Array[] }
}

export type EmbedderCallName = keyof EmbedderCalls

export interface EmbedderRequest {
  readonly id: number
  readonly name: EmbedderCallName
  readonly input: unknown
}

export type EmbedderReply =
  | { readonly id: number; readonly result: unknown }
  /** `isRefusal`: the model or its package is the reason, and another try would end the same. */
  | { readonly id: number; readonly error: { message: string; stack?: string; isRefusal: boolean } }
