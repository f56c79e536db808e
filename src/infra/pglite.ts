import { Worker } from 'node:worker_threads'
import pg from 'pg'
import { type FromThread, PgliteStream, type ToThread } from './pglite-stream.ts'

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

/** Opens PostgreSQL with pgvector inside this process, in a thread of its own, behind an ordinary pg.Pool of one session. */
export async function openPglite(options: PgliteOptions): Promise<Pglite> {
  const thread = new Worker(new URL('./pglite-thread.mjs', import.meta.url), { workerData: options })
  const answer = <Op extends FromThread['op']>(op: Op) =>
    new Promise<Extract<FromThread, { op: Op }>>((resolve, reject) => {
      const listen = (message: FromThread) => {
        if (message.op === op) {
          thread.off('message', listen)
          resolve(message as Extract<FromThread, { op: Op }>)
        } else if (message.op === 'failed') reject(new Error(`the embedded database does not open: ${message.message}`))
      }
      thread.on('message', listen)
      thread.once('error', reject)
    })
  await answer('ready')
  const pool = new pg.Pool({
    user: 'postgres',
    database: 'postgres',
    max: 1,
    idleTimeoutMillis: 0,
    stream: () => new PgliteStream(thread) as never,
  } as pg.PoolConfig)
  return {
    pool,
    async dump() {
      const dumped = answer('dump')
      thread.postMessage({ op: 'dump' } satisfies ToThread)
      return (await dumped).data
    },
    async close() {
      await pool.end()
      const closed = answer('closed')
      thread.postMessage({ op: 'close' } satisfies ToThread)
      await closed
    },
  }
}
