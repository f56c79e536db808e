import type { CropBox } from './ports.ts'

/** What a project embeds pictures with. */
export type EmbedderSpec =
  | { readonly kind: 'face-api' }
  /** A model file that a team brought in with importModel. */
  | { readonly kind: 'model'; readonly modelVersionId: string; readonly fileKey: string; readonly fileName: string }

export interface PictureToEmbed {
  readonly bytes: Uint8Array
  /** Only this part of it. */
  readonly box?: CropBox
}

/** A vector of length 1, and where in the picture its subject is; without a box it stands for the whole. */
export interface EmbeddedSubject {
  readonly vector: Float32Array
  readonly box?: CropBox
}

/** Turns pictures into vectors. */
export interface Embedder {
  /** As vectors and models are pinned to it, for example `face-api` or `model:<id>`. */
  readonly id: string
  readonly dimension: number
  /** What it finds, as the message of a picture without any of it says: `face`, or nothing where the whole is embedded. */
  readonly subject?: string
  /** Subjects of each picture, the largest first; a problem instead where a picture can not be embedded. */
  embed(
    pictures: readonly PictureToEmbed[],
    signal?: AbortSignal,
  ): Promise<(readonly EmbeddedSubject[] | { readonly problem: string })[]>
}

/** What a model file turned out to be. */
export interface ModelFacts {
  readonly format: 'onnx' | 'tfjs-graph' | 'tfjs-layers'
  readonly dimension: number
  readonly width: number
  readonly height: number
  /** Whether the model itself answers with vectors of length 1; others are brought to it. */
  readonly isNormalised: boolean
}

/** Embedders off the event loop. */
export interface EmbedderHost {
  /** Loads an embedder, or hands out the one that is loaded. @throws DomainError when it can not be used, saying why. */
  open(spec: EmbedderSpec): Promise<Embedder>
  /** Looks at a model file: it loads, runs, gives the same twice, and tells pictures apart. @throws DomainError INVALID. */
  inspect(spec: EmbedderSpec & { kind: 'model' }): Promise<ModelFacts>
  close(): Promise<void>
}
