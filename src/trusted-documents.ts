import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { InMemoryLRUCache, type KeyValueCache } from '@apollo/utils.keyvaluecache'
import { GraphQLError } from 'graphql'

/** Documents known by the SHA-256 of their text, as the build of the review page writes them. */
export interface TrustedDocuments {
  find(sha256: string): string | undefined
}

/** Reads `{ sha256: text }`; a file that is not there knows no document, one that has changed is read again. */
export function openTrustedDocuments(file: string): TrustedDocuments {
  let documents: Record<string, string> = {}
  let readAtMs = 0
  return {
    find(sha256) {
      if (Object.hasOwn(documents, sha256)) return documents[sha256]
      const changedAtMs = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
      if (changedAtMs === readAtMs) return undefined
      documents = JSON.parse(readFileSync(file, 'utf8'))
      readAtMs = changedAtMs
      return Object.hasOwn(documents, sha256) ? documents[sha256] : undefined
    },
  }
}

/** Where Apollo looks for a persisted query: trusted documents first, then what clients have registered themselves. */
export function persistedQueryCache(trusted: TrustedDocuments): KeyValueCache {
  const registered = new InMemoryLRUCache({ maxSize: 4 * 1024 * 1024 })
  return {
    get: async (key) => trusted.find(key.replace(/^apq:/, '')) ?? registered.get(key),
    set: (key, text, options) => registered.set(key, text, options),
    delete: (key) => registered.delete(key),
  }
}

/** What any of them knows. */
export const anyDocuments = (...all: readonly TrustedDocuments[]): TrustedDocuments => ({
  find(sha256) {
    for (const documents of all) {
      const text = documents.find(sha256)
      if (text !== undefined) return text
    }
    return undefined
  },
})

/** The documents of TRUSTED_DOCUMENTS, read at the start so that a wrong path stops it. */
export function loadTrustedDocuments(file: string): TrustedDocuments {
  let documents: unknown
  try {
    documents = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Error(`TRUSTED_DOCUMENTS: ${file} can not be read: ${(error as Error).message}`)
  }
  for (const [sha256, text] of Object.entries(documents as Record<string, unknown>)) {
    if (typeof text === 'string' && hashOf(text) === sha256) continue
    throw new Error(`TRUSTED_DOCUMENTS: ${file} must map the SHA-256 of each document to its text: ${sha256} does not`)
  }
  return openTrustedDocuments(file)
}

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')

/** Refuses a document that is not among those known, sent whole or by its hash. */
export function requireTrusted(trusted: TrustedDocuments, text: string): void {
  if (trusted.find(hashOf(text)) !== undefined) return
  throw new GraphQLError('this server executes only documents that it knows: register yours in TRUSTED_DOCUMENTS', {
    extensions: { code: 'UNKNOWN_DOCUMENT', http: { status: 403 } },
  })
}
