import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { type Database, openDatabase } from '../../src/infra/database.ts'
import { DatabaseError } from '../../src/infra/database-error.ts'
import { openTestDatabase } from '../support/database.ts'

const MODULE = path.resolve('src/infra/database.ts')

let folder: string
let open: Database | undefined
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tributary-database-'))
})

afterEach(async () => {
  await open?.close()
  open = undefined
  rmSync(folder, { recursive: true, force: true })
})

async function openEmbedded(): Promise<Database> {
  open = await openDatabase(loadConfig({ TRIBUTARY_DATA_DIR: folder }))
  return open
}

async function closeEmbedded(): Promise<void> {
  await open?.close()
  open = undefined
}

/** Writes rows in a process of its own, killed without warning after `least` were acknowledged. */
async function acknowledgedBeforeKill(least: number): Promise<number> {
  const code = `
    import { openDatabase } from ${JSON.stringify(MODULE)}
    const { pool } = await openDatabase({ dataDir: ${JSON.stringify(folder)} })
    await pool.query('CREATE TABLE IF NOT EXISTS acknowledged (row int)')
    for (let row = 1; ; row++) {
      await pool.query('INSERT INTO acknowledged VALUES ($1)', [row])
      console.log(row)
    }`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  let last = 0
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line)
    if (last === least) child.kill('SIGKILL')
  }
  await ended
  return last
}

describe('embedded', () => {
  /** A migrated data folder: making one takes seconds, copying it does not. */
  let template: string

  beforeAll(async () => {
    template = mkdtempSync(path.join(tmpdir(), 'tributary-database-'))
    await (await openDatabase(loadConfig({ TRIBUTARY_DATA_DIR: template }))).close()
  })
  afterAll(() => rmSync(template, { recursive: true, force: true }))

  beforeEach(() => cpSync(template, folder, { recursive: true }))

  test('keeps its rows, and belongs to one opener at a time', async () => {
    const first = await openEmbedded()
    expect(first.kind).toBe('embedded')
    await first.prisma.user.create({ data: { id: '00000000-0000-7000-8000-000000000001', displayName: 'Ada' } })
    await expect(openDatabase(loadConfig({ TRIBUTARY_DATA_DIR: folder }))).rejects.toThrow(
      /is in use by this very process/,
    )
    await closeEmbedded()
    const second = await openEmbedded()
    expect(await second.prisma.user.findMany({ select: { displayName: true } })).toEqual([{ displayName: 'Ada' }])
  })

  test('a process killed while it writes loses no acknowledged row, and its lock is taken over', async () => {
    const acknowledged = await acknowledgedBeforeKill(40)
    const { pool } = await openEmbedded()
    const { rows } = await pool.query('SELECT count(*)::int AS count, max(row) AS last FROM acknowledged')
    expect(rows[0].count).toBe(rows[0].last)
    expect(rows[0].last).toBeGreaterThanOrEqual(acknowledged)
  })

  test('a client that vanishes in the middle of a transaction leaves none behind', async () => {
    const { pool } = await openEmbedded()
    await pool.query('CREATE TABLE t (x int)')
    const client = await pool.connect()
    client.on('error', () => {})
    await client.query('BEGIN')
    await client.query('INSERT INTO t VALUES (1)')
    ;(client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
    client.release(true)
    const { rows } = await pool.query('SELECT count(*)::int AS count, now() = statement_timestamp() AS fresh FROM t')
    expect(rows).toEqual([{ count: 0, fresh: true }])
  })

  test('when the session dies every query says why, and none waits for ever', async () => {
    const { pool, prisma } = await openEmbedded()
    await pool.query('CREATE TABLE t (x int)')
    // PGlite has nobody to read the rows from: it loses the protocol, and gives up.
    await expect(pool.query('COPY t FROM STDIN')).rejects.toThrow()
    await expect(pool.query('SELECT 1')).rejects.toThrow(/the embedded database stopped: .*protocol/)
    await expect(prisma.user.count()).rejects.toThrow()
  })

  test('a damaged folder is refused with a remedy, and is free again', async () => {
    await openEmbedded()
    await closeEmbedded()
    truncateSync(path.join(folder, 'postgres/global/pg_control'), 0)
    await expect(openEmbedded()).rejects.toThrow(DatabaseError)
    await expect(openEmbedded()).rejects.toThrow(/does not open: .*restore a backup/s)
  })

  test('pgvector is there', async () => {
    const { pool } = await openEmbedded()
    const { rows } = await pool.query(`SELECT '[1,0]'::vector <=> '[0,1]'::vector AS distance`)
    expect(rows).toEqual([{ distance: 1 }])
  })
})

describe('server', () => {
  test('that does not answer is named without its password, with a remedy', async () => {
    const refused = openDatabase(loadConfig({ DATABASE_URL: 'postgresql://me:hunter2@127.0.0.1:1/tributary' }))
    await expect(refused).rejects.toThrow(DatabaseError)
    await expect(refused).rejects.toThrow(
      /the database at 127\.0\.0\.1:1\/tributary cannot be used: .*ECONNREFUSED.*correct DATABASE_URL/,
    )
    await expect(refused).rejects.not.toThrow(/hunter2/)
  })

  const url = process.env.TEST_DATABASE_URL
  test.skipIf(!url)('ends a statement that runs too long, and names its connections', async () => {
    const admin = await openOwnDatabase(url as string)
    try {
      open = await openDatabase(loadConfig({ DATABASE_URL: admin.url, STATEMENT_TIMEOUT_MS: '150' }))
      expect(open.kind).toBe('server')
      await expect(open.pool.query('SELECT pg_sleep(5)')).rejects.toThrow(/statement timeout/)
      const { rows } = await open.pool.query('SHOW application_name')
      expect(rows).toEqual([{ application_name: 'tributary' }])
      await closeEmbedded()
    } finally {
      await admin.drop()
    }
  })

  test.skipIf(!url)('is migrated once by servers that start together', async () => {
    const admin = await openOwnDatabase(url as string)
    try {
      const config = loadConfig({ DATABASE_URL: admin.url })
      const opened = await Promise.all([openDatabase(config), openDatabase(config), openDatabase(config)])
      const { rows } = await opened[0].pool.query(
        'SELECT count(*)::int AS n, count(DISTINCT migration_name)::int AS names FROM _prisma_migrations',
      )
      expect(rows[0].n).toBe(rows[0].names)
      await Promise.all(opened.map((database) => database.close()))
    } finally {
      await admin.drop()
    }
  })
})

/** An empty database on the server, and how to drop it. */
async function openOwnDatabase(url: string): Promise<{ url: string; drop(): Promise<void> }> {
  const { default: pg } = await import('pg')
  const admin = new pg.Client({ connectionString: url })
  await admin.connect()
  const name = `test_open_${process.pid}_${Date.now()}`
  await admin.query(`CREATE DATABASE "${name}"`)
  const own = new URL(url)
  own.pathname = `/${name}`
  return {
    url: own.href,
    async drop() {
      await admin.query(`DROP DATABASE "${name}" WITH (FORCE)`)
      await admin.end()
    },
  }
}

describe.skipIf(!process.env.TEST_DATABASE_URL)('on a server', () => {
  test('a migration elsewhere makes one call fail, and none after it', async () => {
    const { pool, prisma, close } = await openTestDatabase()
    try {
      await pool.query('CREATE TABLE grows (a int)')
      const read = () => prisma.$queryRawUnsafe<object[]>('SELECT * FROM grows')
      // Statements that come twice are kept as plans; every connection of the pool gets to know this one.
      for (let round = 0; round < 3; round++) await Promise.all(Array.from({ length: 10 }, read))
      await pool.query('ALTER TABLE grows ADD COLUMN b int DEFAULT 7')
      await pool.query('INSERT INTO grows (a) VALUES (1)')
      await expect(read()).rejects.toThrow(/cached plan/)
      for (let i = 0; i < 20; i++) expect(await read()).toEqual([{ a: 1, b: 7 }])
    } finally {
      await close()
    }
  })
})
