import path from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import type { Config } from '../config.ts'
import { PrismaClient } from '../generated/prisma/client.ts'
import { lockDataFolder } from './data-folder-lock.ts'
import { migrate } from './migrate.ts'
import { openPglite } from './pglite.ts'

export interface Database {
  readonly kind: 'embedded' | 'server'
  readonly pool: pg.Pool
  readonly prisma: PrismaClient
  close(): Promise<void>
}

/** A Prisma client over an open pool: the same adapter for the embedded database and a server. */
export const connectPrisma = (pool: pg.Pool): PrismaClient => new PrismaClient({ adapter: new PrismaPg(pool) })

/** Opens the database the configuration names and brings its schema up to date. */
export async function openDatabase(
  config: Pick<Config, 'databaseUrl' | 'dataDir' | 'databasePoolSize' | 'statementTimeoutMs'>,
): Promise<Database> {
  return config.databaseUrl ? openServer(config.databaseUrl, config) : openEmbedded(config.dataDir)
}

async function openServer(
  connectionString: string,
  { databasePoolSize, statementTimeoutMs }: Pick<Config, 'databasePoolSize' | 'statementTimeoutMs'>,
): Promise<Database> {
  const pool = new pg.Pool({
    connectionString,
    max: databasePoolSize,
    statement_timeout: statementTimeoutMs,
    application_name: 'tributary',
  })
  // A broken idle connection is dropped by the pool itself; without a listener it would end the process.
  pool.on('error', () => {})
  await migratePool(pool)
  const prisma = connectPrisma(pool)
  return {
    kind: 'server',
    pool,
    prisma,
    close: async () => {
      await prisma.$disconnect()
      await pool.end()
    },
  }
}

async function openEmbedded(dataDir: string): Promise<Database> {
  const unlock = lockDataFolder(dataDir)
  try {
    const pglite = await openPglite({ dataDir: path.join(dataDir, 'postgres') })
    await migratePool(pglite.pool)
    const prisma = connectPrisma(pglite.pool)
    return {
      kind: 'embedded',
      pool: pglite.pool,
      prisma,
      close: async () => {
        await prisma.$disconnect()
        await pglite.close()
        unlock()
      },
    }
  } catch (error) {
    unlock()
    throw error
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
