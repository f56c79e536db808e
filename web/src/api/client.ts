import { ConnectionError, RefusedError } from './errors.ts'
import type { TypedDocument } from './typed-document.ts'

/** A header that pages of other sites cannot send: the session cookie counts only with it. */
const PAGE_HEADER = { 'x-tributary-page': '1' }

const signedOutListeners = new Set<() => void>()
let serverAheadMs = 0

/** Calls back whenever the server says that nobody is signed in. */
export function onSignedOut(listener: () => void): () => void {
  signedOutListeners.add(listener)
  return () => signedOutListeners.delete(listener)
}

/** Milliseconds since the epoch by the server's clock, which leases are measured by. */
export const serverNow = (): number => Date.now() + serverAheadMs

async function post(path: string, method: string, body?: object, options: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers: { ...PAGE_HEADER, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
      credentials: 'same-origin',
      ...options,
    })
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new ConnectionError('no answer', { cause: error })
  }
  const date = Date.parse(response.headers.get('date') ?? '')
  // The header is cut to the second: only a difference beyond that says anything.
  if (date && Math.abs(date - Date.now()) > 2_000) serverAheadMs = date - Date.now()
  return response
}

interface GraphQLAnswer {
  data?: unknown
  errors?: { message: string; extensions?: { code?: string; requestId?: string } }[]
}

async function read(response: Response): Promise<GraphQLAnswer> {
  try {
    return await response.json()
  } catch (error) {
    throw new ConnectionError(`answered with status ${response.status} and no JSON`, { cause: error })
  }
}

/**
 * Sends one of the page's documents by its name and hash.
 *
 * @throws ConnectionError when it may be sent again, RefusedError when that would be useless.
 */
export async function send<Result, Variables>(
  document: TypedDocument<Result, Variables>,
  variables: Variables,
  options: { signal?: AbortSignal; keepalive?: boolean } = {},
): Promise<Result> {
  const { name, sha256 } = document
  const response = await post(
    '/graphql',
    'POST',
    { operationName: name, variables, extensions: { persistedQuery: { version: 1, sha256Hash: sha256 } } },
    options,
  )
  const { data, errors } = await read(response)
  const [first] = errors ?? []
  if (!first) return data as Result
  const { code = 'INTERNAL', requestId } = first.extensions ?? {}
  if (code === 'UNAUTHENTICATED') for (const listener of signedOutListeners) listener()
  if (code === 'INTERNAL') throw new ConnectionError(first.message)
  throw new RefusedError(first.message, code, requestId)
}

/** Signs in; the key is kept by the browser in a cookie that this script cannot read. */
export async function signIn(key: string): Promise<void> {
  const response = await post('/session', 'POST', { key })
  if (response.ok) return
  const { errors } = await read(response)
  throw new RefusedError(
    errors?.[0]?.message ?? 'the key was refused',
    errors?.[0]?.extensions?.code ?? 'UNAUTHENTICATED',
  )
}

/** Ends the session; the page then asks for a key again. */
export async function signOut(): Promise<void> {
  await post('/session', 'DELETE')
  for (const listener of signedOutListeners) listener()
}
