import type { EngineErrorCode, Progress } from '../engine/index.ts'

/** What goes to the engine's thread. */
export type EngineRequest =
  | { readonly kind: 'call'; readonly id: number; readonly name: EngineCallName; readonly input: unknown }
  | { readonly kind: 'cancel'; readonly id: number }

/** What comes back. */
export type EngineReply =
  | { readonly kind: 'progress'; readonly id: number; readonly progress: Progress }
  | { readonly kind: 'checkpoint'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: EngineFailure }

export type EngineCallName =
  | 'cluster'
  | 'place'
  | 'train'
  | 'choose'
  | 'evaluate'
  | 'trainRecognition'
  | 'embed'
  | 'neighbours'
  | 'backend'

/** An error on its way through a message; `code` is there for the engine's own refusals only. */
export interface EngineFailure {
  readonly message: string
  readonly stack?: string
  readonly code?: EngineErrorCode
}
