import type { CropBox } from './ports.ts'

/** How a picture becomes the input of a model; `embedder.json` in its archive says what is not the default. */
export interface Preprocessing {
  /** Pixels; what the model's own input says, else 224. */
  readonly width?: number
  readonly height?: number
  readonly channels: 'RGB' | 'BGR'
  /** As the shape of the model's input says, where it does. */
  readonly layout?: 'NCHW' | 'NHWC'
  /** value = (pixel - mean) / std, by channel in the order of `channels`. */
  readonly mean: readonly [number, number, number]
  readonly std: readonly [number, number, number]
  /** Name of the output that is the vector; the first one by default. */
  readonly output?: string
}

/** A model file that a team supplies, taken apart. */
export type ModelBundle = { readonly preprocessing: Preprocessing } & (
  | { readonly kind: 'onnx'; readonly model: Uint8Array }
  | { readonly kind: 'tfjs'; readonly modelJson: string; readonly weights: Readonly<Record<string, Uint8Array>> }
)

/** What a project embeds pictures with. */
export type EmbedderSpec =
  | { readonly kind: 'faces' }
  /** A model that a team brought in with importModel; `load` reads its file when it is not loaded yet. */
  | { readonly kind: 'model'; readonly modelVersionId: string; readonly load: () => Promise<ModelBundle> }

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
  /** As spaces and models are pinned to it: `face-api` or `model:<id>`. */
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
  /** Of the pictures it takes. */
  readonly width: number
  readonly height: number
  /** Whether the model itself answers with vectors of length 1; others are brought to it. */
  readonly isNormalised: boolean
}

/** Embedders off the event loop. */
export interface EmbedderHost {
  /** Loads an embedder, or hands out the one that is loaded. @throws DomainError when it can not be used, saying why. */
  open(spec: EmbedderSpec): Promise<Embedder>
  /**
   * Looks at a model file: it loads, runs, gives the same twice, alone and in a batch, and tells pictures apart.
   *
   * @throws DomainError INVALID saying what it does instead.
   */
  inspect(bundle: ModelBundle): Promise<ModelFacts>
  close(): Promise<void>
}
