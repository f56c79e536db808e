import { Worker } from 'node:worker_threads'
import pg from 'pg'
import { DatabaseError } from './database-error.ts'
import { linkSessions } from './direct-sql.ts'
import { type FromThread, PgliteStream, type ToThread } from './pglite-stream.ts'
import { sessionSettings } from './session-settings.ts'

export interface Pglite {
  readonly pool: pg.Pool
  /** The whole database as a tar, to open another from. */
  dump(): Promise<Uint8Array>
  close(): Promise<void>
}

export interface PgliteOptions {
  /** Folder on disk, or `memory://`. */
  dataDir: string
  /** A tar from `dump`, to start from. */
  loadDataDir?: Blob
}

/**
 * Opens PostgreSQL with pgvector inside this process, in a thread of its own, behind an ordinary pg.Pool of one session.
 * Should the thread die, every query from then on fails with the reason.
 *
 * @throws DatabaseError where the folder does not open.
 */
export async function openPglite(options: PgliteOptions): Promise<Pglite> {
  const thread = new Worker(new URL('./pglite-thread.mjs', import.meta.url), {
    workerData: options,
    // Plain JavaScript: the loaders of the main thread would only cost it time.
    execArgv: [],
  })
  let cause: Error | undefined
  let stopped: DatabaseError | undefined
  thread.once('error', (error: Error) => {
    cause = error
  })
  thread.once('exit', () => {
    stopped = new DatabaseError(`the embedded database stopped: ${cause?.message ?? 'it was closed'}`, { cause })
  })

  const answer = <Op extends FromThread['op']>(op: Op) =>
    new Promise<Extract<FromThread, { op: Op }>>((resolve, reject) => {
      const onMessage = (message: FromThread) => {
        if (message.op !== op) return
        forget()
        resolve(message as Extract<FromThread, { op: Op }>)
      }
      const onExit = () => {
        forget()
        reject(stopped)
      }
      const forget = () => {
        thread.off('message', onMessage)
        thread.off('exit', onExit)
      }
      if (stopped) reject(stopped)
      thread.on('message', onMessage)
      thread.on('exit', onExit)
    })

  await answer('ready').catch(() => {
    throw new DatabaseError(
      `the embedded database in ${options.dataDir} does not open: ${cause?.message}; if the folder was damaged or belongs to another version, restore a backup of it, or set TRIBUTARY_DATA_DIR to another folder`,
      { cause },
    )
  })
  const pool = new pg.Pool({
    user: 'postgres',
    database: 'postgres',
    max: 1,
    idleTimeoutMillis: 0,
    ...sessionSettings,
    pipeline: true,
    stream: () => new PgliteStream(thread, () => stopped) as never,
  } as pg.PoolConfig)
  // The next query says what happened; without a listener a broken idle session would end the process.
  pool.on('error', () => {})
  linkSessions(pool)
  return {
    pool,
    async dump() {
      const dumped = answer('dump')
      thread.postMessage({ op: 'dump' } satisfies ToThread)
      return (await dumped).data
    },
    async close() {
      await pool.end()
      if (stopped) return
      const closed = answer('closed')
      thread.postMessage({ op: 'close' } satisfies ToThread)
      await closed
    },
  }
}
