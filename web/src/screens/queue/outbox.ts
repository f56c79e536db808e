import type { ReviewAnswerInput } from '../../generated/operations.ts'

/** One request that has not been acknowledged yet: repeated with the same key until it is. */
export interface Batch {
  readonly idempotencyKey: string
  readonly answers: readonly ReviewAnswerInput[]
  readonly claimNext: number
}

interface Entry {
  readonly savedAtMs: number
  /** On their way. */
  readonly batches: readonly Batch[]
  /** Given, and waiting for more to leave with. */
  readonly waiting: readonly ReviewAnswerInput[]
}

type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>

/** A tab that lives sends its waiting answers much sooner: those of an older entry were left by one that is gone. */
export const ABANDONED_MS = 2 * 60_000

/**
 * Answers that the server has not acknowledged, kept by the browser, one entry a tab, of one person in one project: nobody
 * else's sign-in sends them. They hold ids and verdicts, no secrets. A storage that is full or forbidden costs the safety
 * of a reload, not the work.
 */
export function openOutboxStore(storage: Storage, viewerId: string, projectId: string, tabId: string) {
  const prefix = `tributary.outbox.${viewerId}.${projectId}.`
  return {
    save({ batches, waiting }: Omit<Entry, 'savedAtMs'>, nowMs: number): void {
      try {
        if (batches.length + waiting.length === 0) storage.removeItem(prefix + tabId)
        else storage.setItem(prefix + tabId, JSON.stringify({ savedAtMs: nowMs, batches, waiting } satisfies Entry))
      } catch {
        // Private windows may refuse; the answers are still in memory.
      }
    },
    /**
     * What other tabs, or this one before a reload, have not got through. Sending a batch that did arrive, or that a tab
     * which lives sends too, is harmless: its key is the same.
     */
    adopt(nowMs: number, newKey: () => string): Batch[] {
      const found: Batch[] = []
      try {
        const keys = Array.from({ length: storage.length }, (_, i) => storage.key(i) ?? '')
        for (const key of keys) {
          if (!key.startsWith(prefix) || key === prefix + tabId) continue
          const { savedAtMs = 0, batches = [], waiting = [] }: Partial<Entry> = JSON.parse(storage.getItem(key) ?? '{}')
          found.push(...batches)
          const isAbandoned = nowMs - savedAtMs > ABANDONED_MS
          if (isAbandoned && waiting.length > 0) {
            found.push({ idempotencyKey: newKey(), answers: waiting, claimNext: 0 })
          }
          if (isAbandoned || waiting.length === 0) storage.removeItem(key)
        }
      } catch {
        // A forbidden storage, or an entry of an older page: nothing to adopt.
      }
      return found
    },
  }
}

export type OutboxStore = ReturnType<typeof openOutboxStore>
