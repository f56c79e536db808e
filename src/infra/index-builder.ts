import type { Pool } from 'pg'
import type { IndexBuilder } from '../services/index-builder-port.ts'
import type { Database } from './database.ts'

const LOOK_EVERY_MS = 1_000
const MIB = 1024 * 1024

/**
 * On a server the index is built beside those who write, in a session of its own: without a statement timeout, with memory
 * of its own, and ended when its job is. The embedded database has one session, and builds while others wait.
 */
export function createIndexBuilder({ kind, pool }: Pick<Database, 'kind' | 'pool'>, maxMemoryMb: number): IndexBuilder {
  return {
    async build(name, on, memoryBytes, { signal, onProgress }) {
      const memoryMb = Math.max(64, Math.min(maxMemoryMb, Math.ceil(memoryBytes / MIB)))
      if (kind === 'embedded') {
        await pool.query(`CREATE INDEX IF NOT EXISTS "${name}" ON ${on}`)
        return
      }
      const client = await pool.connect()
      let watch: NodeJS.Timeout | undefined
      let cancel: (() => void) | undefined
      try {
        const { rows } = await client.query<{ pid: number; valid: boolean | null }>(
          `SELECT pg_backend_pid() AS pid, (SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             WHERE c.relname = $1 AND pg_table_is_visible(i.indrelid)) AS valid`,
          [name],
        )
        const [{ pid, valid } = { pid: 0, valid: null }] = rows
        if (valid) return
        await client.query(`SET statement_timeout = 0`)
        if (valid === false) await client.query(`DROP INDEX CONCURRENTLY IF EXISTS "${name}"`)
        await client.query(`SET maintenance_work_mem = '${memoryMb}MB'`)
        cancel = () => void pool.query('SELECT pg_cancel_backend($1)', [pid]).catch(() => {})
        signal.throwIfAborted()
        signal.addEventListener('abort', cancel)
        watch = setInterval(() => void look(pool, pid, onProgress), LOOK_EVERY_MS)
        await client.query(`CREATE INDEX CONCURRENTLY IF NOT EXISTS "${name}" ON ${on}`)
      } catch (error) {
        signal.throwIfAborted()
        throw error
      } finally {
        clearInterval(watch)
        if (cancel) signal.removeEventListener('abort', cancel)
        // Ended, not handed back: its settings are not those of other sessions.
        client.release(true)
      }
    },
  }
}

async function look(pool: Pool, pid: number, onProgress: (completed: number, total?: number) => void): Promise<void> {
  const { rows } = await pool
    .query<{ done: string; total: string }>(
      `SELECT tuples_done AS done, tuples_total AS total FROM pg_stat_progress_create_index WHERE pid = $1`,
      [pid],
    )
    .catch(() => ({ rows: [] }))
  const [row] = rows
  if (row && Number(row.done) > 0) onProgress(Number(row.done), Number(row.total) || undefined)
}
