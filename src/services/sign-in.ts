import type { Viewer } from './access.ts'
import type { App } from './app.ts'
import { authenticate } from './authenticate.ts'
import { DomainError } from './errors.ts'

export interface SignIn {
  readonly authorization: string | undefined
  /** Where the request comes from. */
  readonly address: string
  readonly requestId: string
}

/** Signs a request in, and counts it: too many of one key, or too many refused ones of one address, are RATE_LIMITED. */
export async function signIn(app: App, { authorization, address, requestId }: SignIn): Promise<Viewer> {
  await app.rateLimits.checkAddress(address)
  try {
    const viewer = await authenticate(app, authorization, requestId)
    await app.rateLimits.takeRequest(viewer.credentialId ?? viewer.userId)
    return viewer
  } catch (error) {
    const isRefused = error instanceof DomainError && error.code === 'UNAUTHENTICATED'
    // Nothing given is no attempt: a page that has lost its session asks once and then for a key.
    if (isRefused && authorization !== undefined) await app.rateLimits.countFailure(address)
    throw error
  }
}
