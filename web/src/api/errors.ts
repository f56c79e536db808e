/** The server could not be reached, or failed: the same request may succeed later. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
}

/** The server refused: the same request would be refused again. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  constructor(
    message: string,
    readonly code: string,
    readonly requestId?: string,
  ) {
    super(message)
  }
}

/** What a person can be shown of any error. */
export function messageOf(error: unknown): string {
  if (error instanceof ConnectionError) return 'The server cannot be reached. Check the connection, then try again.'
  if (error instanceof RefusedError) return error.message
  return 'Something went wrong in this page. Reload it, and report this if it happens again.'
}
