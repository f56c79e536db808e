import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { connectPool, connectServer, type Database } from '../../src/infra/database.ts'
import { migrate } from '../../src/infra/migrate.ts'
import { openPglite } from '../../src/infra/pglite.ts'

/** A database of its own for one test file: embedded, or on the server of TEST_DATABASE_URL. Close it in afterAll. */
export async function openTestDatabase(): Promise<Database> {
  const url = process.env.TEST_DATABASE_URL
  return url ? openOnServer(url) : openFromTemplate(process.env.TRIBUTARY_TEST_TEMPLATE as string)
}

async function openFromTemplate(template: string): Promise<Database> {
  const pglite = await openPglite({ dataDir: 'memory://', loadDataDir: new Blob([readFileSync(template)]) })
  const connected = connectPool(pglite.pool)
  return {
    kind: 'embedded',
    ...connected,
    close: async () => {
      await connected.prisma.$disconnect()
      await pglite.close()
    },
  }
}

async function openOnServer(url: string): Promise<Database> {
  const name = `test_${randomBytes(8).toString('hex')}`
  const admin = new pg.Client({ connectionString: url })
  await admin.connect()
  await admin.query(`CREATE DATABASE "${name}"`)
  const own = new URL(url)
  own.pathname = `/${name}`
  const connected = connectServer({ connectionString: own.href, max: 10 })
  const client = await connected.pool.connect()
  await migrate(client)
  client.release()
  return {
    kind: 'server',
    ...connected,
    close: async () => {
      await connected.prisma.$disconnect()
      await connected.pool.end()
      await admin.query(`DROP DATABASE "${name}" WITH (FORCE)`)
      await admin.end()
    },
  }
}
