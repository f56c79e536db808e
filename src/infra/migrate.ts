import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PoolClient } from 'pg'
import { DatabaseError } from './database-error.ts'

export const MIGRATIONS_DIR = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

/** The advisory lock that `prisma migrate deploy` takes. */
const LOCK = 72_707_369

const MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL,
  "checksum" VARCHAR(64) NOT NULL,
  "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL,
  "logs" TEXT,
  "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)`

interface AppliedRow {
  migration_name: string
  checksum: string
  finished_at: Date | null
}

export interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** The migrations on disk, oldest first. */
export function readMigrations(dir = MIGRATIONS_DIR): Migration[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map((name) => {
      const sql = readFileSync(path.join(dir, name, 'migration.sql'), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })
}

/**
 * Brings the database up to date: same files, table, checksum and lock as `prisma migrate deploy`, so that both can be
 * used. Each migration commits whole or not at all.
 *
 * @returns the names of those applied now.
 * @throws DatabaseError where one fails, failed earlier, or was edited after it was applied.
 */
export async function migrate(client: PoolClient, migrations = readMigrations()): Promise<string[]> {
  const applied: string[] = []
  // Waiting for another server's migration, or building an index, takes the time that it takes.
  await client.query('SET statement_timeout = 0')
  await client.query('SELECT pg_advisory_lock($1)', [LOCK])
  try {
    await client.query(MIGRATIONS_TABLE)
    const { rows } = await client.query<AppliedRow>(
      'SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL',
    )
    const known = new Map(rows.map((row) => [row.migration_name, row]))
    for (const { name, sql, checksum } of migrations) {
      const row = known.get(name)
      if (row && !row.finished_at) {
        throw new DatabaseError(
          `migration ${name} failed earlier and was left half done: resolve it (prisma migrate resolve), then start again`,
        )
      }
      if (row && row.checksum !== checksum) {
        throw new DatabaseError(
          `migration ${name} was edited after it was applied: restore the file, and put the change in a new migration`,
        )
      }
      if (row) continue
      await client.query('BEGIN')
      try {
        await client.query(sql)
        await client.query(
          `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
           VALUES ($1, $2, $3, now(), now(), 1)`,
          [randomUUID(), checksum, name],
        )
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK')
        throw new DatabaseError(`migration ${name} failed and was rolled back: ${(error as Error).message}`, {
          cause: error,
        })
      }
      applied.push(name)
    }
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [LOCK])
    await client.query('RESET statement_timeout')
  }
  return applied
}
