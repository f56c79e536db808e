import path from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import type { Config } from '../config.ts'
import { PrismaClient } from '../generated/prisma/client.ts'
import type { AfterCommit } from '../services/app.ts'
import { lockDataFolder } from './data-folder-lock.ts'
import { DatabaseError } from './database-error.ts'
import { createAfterCommit, linkSessions, withDirectSql } from './direct-sql.ts'
import { migrate } from './migrate.ts'
import { openPglite, type Pglite } from './pglite.ts'
import { createServerClient } from './server-client.ts'
import { sessionSettings } from './session-settings.ts'
import { createStatementNames, type StatementNames } from './statement-names.ts'

export interface Database {
  readonly kind: 'embedded' | 'server'
  readonly pool: pg.Pool
  readonly prisma: PrismaClient
  readonly afterCommit: AfterCommit
  close(): Promise<void>
}

type Connected = Pick<Database, 'pool' | 'prisma' | 'afterCommit'>

/** A Prisma client over a pool whose sessions are linked: the same adapter for the embedded database and a server. */
export function connectPool(pool: pg.Pool, names?: StatementNames): Connected {
  // Its type says that every statement has a name; undefined is what it takes for none.
  const statementNameGenerator = names?.nameOf as ((query: { sql: string }) => string) | undefined
  const adapter = new PrismaPg(pool, statementNameGenerator && { statementNameGenerator })
  return {
    pool,
    prisma: withDirectSql(new PrismaClient({ adapter }), pool, names),
    afterCommit: createAfterCommit(names),
  }
}

/**
 * Opens the database the configuration names and brings its schema up to date.
 *
 * @throws DatabaseError where it does not answer, cannot be migrated, or belongs to another process.
 */
export async function openDatabase(
  config: Pick<Config, 'databaseUrl' | 'dataDir' | 'databasePoolSize' | 'statementTimeoutMs'>,
): Promise<Database> {
  return config.databaseUrl ? openServer(config.databaseUrl, config) : openEmbedded(config.dataDir)
}

const SESSION_IDLE_MS = 10 * 60_000

/** Connections to a server, and a Prisma client over them. */
export function connectServer(options: pg.PoolConfig): Connected {
  const names = createStatementNames()
  const pool = new pg.Pool({
    application_name: 'tributary',
    // A session that ends takes its plans along: the next one needs a tenth of a second to be as fast.
    idleTimeoutMillis: SESSION_IDLE_MS,
    ...options,
    ...sessionSettings,
    // Statements that do not wait for each other travel together, and are answered in order.
    pipeline: true,
    Client: createServerClient(names),
  } as pg.PoolConfig)
  // A broken idle connection is dropped by the pool itself; without a listener it would end the process.
  pool.on('error', () => {})
  linkSessions(pool)
  return connectPool(pool, names)
}

async function openServer(
  connectionString: string,
  { databasePoolSize, statementTimeoutMs }: Pick<Config, 'databasePoolSize' | 'statementTimeoutMs'>,
): Promise<Database> {
  const connected = connectServer({
    connectionString,
    max: databasePoolSize,
    statement_timeout: statementTimeoutMs,
  })
  try {
    await migratePool(connected.pool)
  } catch (error) {
    await connected.pool.end()
    throw error instanceof DatabaseError ? error : unreachable(connectionString, error as NodeJS.ErrnoException)
  }
  return {
    kind: 'server',
    ...connected,
    close: async () => {
      await connected.prisma.$disconnect()
      await connected.pool.end()
    },
  }
}

/** The address without its password, and what to do. */
function unreachable(connectionString: string, error: NodeJS.ErrnoException): DatabaseError {
  const { hostname, port, pathname } = new URL(connectionString)
  // An address that resolves to several fails with one error for each, and no message of its own.
  const reason = error.message || error.code
  return new DatabaseError(
    `the database at ${hostname}:${port || 5432}${pathname} cannot be used: ${reason}; start it or correct DATABASE_URL, or unset DATABASE_URL to use the embedded database`,
    { cause: error },
  )
}

async function openEmbedded(dataDir: string): Promise<Database> {
  const unlock = lockDataFolder(dataDir)
  let pglite: Pglite | undefined
  try {
    pglite = await openPglite({ dataDir: path.join(dataDir, 'postgres') })
    await migratePool(pglite.pool)
  } catch (error) {
    await pglite?.close()
    unlock()
    throw error
  }
  const { pool, close } = pglite
  const connected = connectPool(pool)
  return {
    kind: 'embedded',
    ...connected,
    close: async () => {
      await connected.prisma.$disconnect()
      await close()
      unlock()
    },
  }
}

async function migratePool(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await migrate(client)
  } finally {
    client.release()
  }
}
