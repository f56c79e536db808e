export type EngineErrorCode =
  | 'SHAPE_MISMATCH'
  | 'BAD_OPTION'
  | 'NOT_FINITE'
  | 'BAD_WEIGHTS'
  | 'KERNEL_UNAVAILABLE'
  | 'CONTRADICTION'
  | 'ABORTED'

/** A refusal of the engine: the message says what, got, expected. */
export class EngineError extends Error {
  constructor(
    readonly code: EngineErrorCode,
    message: string,
  ) {
    super(message)
    this.name = 'EngineError'
  }
}

/** Throws EngineError ABORTED if the caller has asked to stop. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw new EngineError('ABORTED', 'the computation was cancelled')
}
