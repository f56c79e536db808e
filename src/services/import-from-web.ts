import type { Readable } from 'node:stream'
import type { App } from './app.ts'
import { DomainError, invalid } from './errors.ts'
import type { GuardedRequest } from './guarded-fetch-port.ts'
import { extensionOf, storedFile } from './import-file.ts'
import type { ImportSource } from './import-source.ts'

const LOOK_TIMEOUT_MS = 8_000
/** A manifest may be large and its server slow. */
const DOWNLOAD_TIMEOUT_MS = 6 * 3_600_000
const MAX_REDIRECTS = 5

/** What was fetched of an address, kept in the file store so that a restarted import reads the very same bytes. */
export interface FetchedManifest {
  readonly fileName: string
  readonly fileKey: string
  readonly byteSize: number
}

const OK = 200

/** Opens an address that a user named; anything but 200 is a refusal. */
export async function openAddress(
  app: App,
  url: string,
  request: GuardedRequest = {},
): Promise<{ url: string; body: Readable }> {
  const { status, body, url: from } = await app.fetch(url, { maxRedirects: MAX_REDIRECTS, ...request })
  if (status === OK) return { url: from, body }
  body.destroy()
  throw new DomainError('INVALID', `${url} must answer with 200: got ${status}`)
}

const fileNameOf = (url: string): string =>
  decodeURIComponent(new URL(url).pathname.split('/').at(-1) as string) || 'manifest'

/** Whether an address can be fetched, without fetching it: its beginning is asked for and thrown away. */
export async function checkAddress(app: App, url: string): Promise<{ fileName: string }> {
  const { maxUploadBytes: maxBytes } = app.config
  try {
    const { body } = await openAddress(app, url, { maxBytes, timeoutMs: LOOK_TIMEOUT_MS })
    body.destroy()
  } catch (error) {
    if (error instanceof DomainError)
      throw new DomainError(error.code, error.message, { path: ['input', 'manifestUrl'] })
    throw invalid(`${url} can not be fetched: ${(error as Error).message}`, 'input', 'manifestUrl')
  }
  return { fileName: fileNameOf(url) }
}

/** Fetches a manifest or archive into the file store. */
export async function fetchManifest(app: App, url: string, signal: AbortSignal): Promise<FetchedManifest> {
  const { body } = await openAddress(app, url, {
    maxBytes: app.config.maxUploadBytes,
    bodyTimeoutMs: DOWNLOAD_TIMEOUT_MS,
    signal,
  })
  const { key, byteSize } = await app.files.put(body)
  return { fileName: fileNameOf(url), fileKey: key, byteSize }
}

/** A fetched manifest; what it names lies at addresses beside its own. */
export function sourceFromWeb(app: App, url: string, fetched?: FetchedManifest): ImportSource {
  const name = fetched?.fileName ?? fileNameOf(url)
  return {
    name,
    ...(fetched && { file: storedFile(app, name, fetched.fileKey, fetched.byteSize) }),
    folder: {
      // A companion that is not there is a 404; keys are only looked for beside a matrix.
      async find(beside) {
        const address = new URL(beside.split('/').map(encodeURIComponent).join('/'), url).href
        if (extensionOf(beside) !== '.txt' && extensionOf(beside) !== '.meta' && extensionOf(beside) !== '.npy') {
          return undefined
        }
        const { status, body } = await app.fetch(address, {
          maxRedirects: MAX_REDIRECTS,
          maxBytes: app.config.maxUploadBytes,
          bodyTimeoutMs: DOWNLOAD_TIMEOUT_MS,
        })
        if (status !== OK) {
          body.destroy()
          return undefined
        }
        const { key, byteSize } = await app.files.put(body)
        return storedFile(app, beside, key, byteSize)
      },
    },
    baseUrl: url,
    where: `the addresses beside ${url}`,
  }
}
