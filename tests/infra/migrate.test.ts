import type { PoolClient } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Database } from '../../src/infra/database.ts'
import { DatabaseError } from '../../src/infra/database-error.ts'
import { type Migration, migrate, readMigrations } from '../../src/infra/migrate.ts'
import { openTestDatabase } from '../support/database.ts'

let database: Database
let client: PoolClient

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  client = await database.pool.connect()
})
afterEach(() => client.release())

const extra = (name: string, sql: string): Migration => ({
  name: `99990101000000_${name}`,
  sql,
  checksum: 'f'.repeat(64),
})
const migrateWith = (...more: Migration[]) => migrate(client, [...readMigrations(), ...more])

async function recorded(name: string): Promise<number> {
  const { rowCount } = await client.query('SELECT 1 FROM _prisma_migrations WHERE migration_name LIKE $1', [
    `%_${name}`,
  ])
  return rowCount as number
}

async function exists(table: string): Promise<boolean> {
  const { rows } = await client.query('SELECT to_regclass($1) IS NOT NULL AS exists', [table])
  return rows[0].exists
}

test('a migrated database needs nothing more', async () => {
  expect(await migrateWith()).toEqual([])
})

test('each record is what `prisma migrate deploy` writes', async () => {
  const { rows } = await client.query(
    'SELECT migration_name, checksum, applied_steps_count, finished_at IS NOT NULL AS finished FROM _prisma_migrations ORDER BY 1',
  )
  expect(rows).toEqual(
    readMigrations().map(({ name, checksum }) => ({
      migration_name: name,
      checksum,
      applied_steps_count: 1,
      finished: true,
    })),
  )
  for (const { checksum } of readMigrations()) expect(checksum).toMatch(/^[0-9a-f]{64}$/)
})

test('a new migration is applied once', async () => {
  const added = extra('added', 'CREATE TABLE added (x int); CREATE TABLE added_too (x int);')
  expect(await migrateWith(added)).toEqual([added.name])
  expect(await migrateWith(added)).toEqual([])
  expect(await exists('added_too')).toBe(true)
})

test('a migration that fails leaves nothing half-written, and can be mended', async () => {
  const broken = extra('broken', 'CREATE TABLE broken (x int); INSERT INTO broken VALUES (1 / 0);')
  await expect(migrateWith(broken)).rejects.toThrow(DatabaseError)
  await expect(migrateWith(broken)).rejects.toThrow(/_broken failed and was rolled back: division by zero/)
  expect(await exists('broken')).toBe(false)
  expect(await recorded('broken')).toBe(0)
  expect(await migrateWith(extra('broken', 'CREATE TABLE broken (x int)'))).toHaveLength(1)
})

test('a migration edited after it was applied is refused with a remedy', async () => {
  const edited = extra('edited', 'CREATE TABLE edited (x int)')
  await migrateWith(edited)
  await expect(migrateWith({ ...edited, checksum: '0'.repeat(64) })).rejects.toThrow(
    /_edited was edited after it was applied: restore the file/,
  )
})

test('one that another tool left half done is refused with a remedy', async () => {
  const half = extra('half', 'SELECT 1')
  await client.query(`INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('half', $1, $2)`, [
    half.checksum,
    half.name,
  ])
  await expect(migrateWith(half)).rejects.toThrow(/_half failed earlier.*prisma migrate resolve/)
  await client.query('UPDATE _prisma_migrations SET rolled_back_at = now() WHERE id = $1', ['half'])
  expect(await migrateWith(half)).toEqual([half.name])
})

test('the lock is given back, and the statement timeout of the session is as before', async () => {
  const setting = async () => (await client.query('SHOW statement_timeout')).rows[0].statement_timeout
  const before = await setting()
  await migrateWith()
  expect(await setting()).toBe(before)
  const { rows } = await client.query(
    `SELECT count(*)::int AS held FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`,
  )
  expect(rows[0].held).toBe(0)
})
