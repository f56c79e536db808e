import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { migrate, readMigrations } from '../../src/infra/migrate.ts'
import { openPglite } from '../../src/infra/pglite.ts'

const CACHE = path.resolve('node_modules/.cache/tributary')

/** What test files share: the built page, and the migrated embedded database, of which every file opens a copy. */
export default async function setup(): Promise<void> {
  execFileSync(process.execPath, ['scripts/build-web.mjs'], { stdio: 'inherit' })
  await makeTemplate()
}

/** Once for each set of migrations. */
async function makeTemplate(): Promise<void> {
  if (process.env.TEST_DATABASE_URL) return
  const hash = createHash('sha256')
  for (const { checksum } of readMigrations()) hash.update(checksum)
  const template = path.join(CACHE, `template-${hash.digest('hex').slice(0, 16)}.tar`)
  process.env.TRIBUTARY_TEST_TEMPLATE = template
  if (existsSync(template)) return
  const pglite = await openPglite({ dataDir: 'memory://' })
  const client = await pglite.pool.connect()
  await migrate(client)
  client.release()
  mkdirSync(CACHE, { recursive: true })
  writeFileSync(`${template}.part`, await pglite.dump())
  renameSync(`${template}.part`, template)
  await pglite.close()
}
