import type { Readable } from 'node:stream'

/** What is asked of a server that a user named. */
export interface GuardedRequest {
  /** Default GET. */
  readonly method?: 'GET' | 'HEAD' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Until the headers of the last answer are there, redirects included; default 10,000. */
  readonly timeoutMs?: number
  /** Until the whole body is there; default 60,000. */
  readonly bodyTimeoutMs?: number
  /** Most bytes of body; default 1 MiB. */
  readonly maxBytes?: number
  /** Redirects that are followed, each checked like the first address; default 0: a redirect is an answer like any other. */
  readonly maxRedirects?: number
  readonly signal?: AbortSignal
}

export interface GuardedResponse {
  readonly status: number
  /** By lower-case name; repeated ones joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  /** Where the answer came from, after redirects. */
  readonly url: string
  /** Read it to its end, or destroy it. Breaks with LIMIT_EXCEEDED at more than `maxBytes` bytes. */
  readonly body: Readable
}

/**
 * Calls an http(s) address that a user named, for imports and webhooks. Every address that its name resolves to must be a
 * public one, or lie in a network that ALLOW_PRIVATE_NETWORKS names; the connection goes to an address that was checked.
 *
 * @throws DomainError INVALID for an address that is refused, LIMIT_EXCEEDED for too large an answer; any other Error for
 * an outage (no such name, no answer in time, connection broken), which may pass.
 */
export type GuardedFetch = (url: string, request?: GuardedRequest) => Promise<GuardedResponse>
