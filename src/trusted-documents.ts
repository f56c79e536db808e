import { readFileSync, statSync } from 'node:fs'
import { InMemoryLRUCache, type KeyValueCache } from '@apollo/utils.keyvaluecache'

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
