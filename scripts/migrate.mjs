// Writes the next migration from prisma/schema.prisma, without a database server and without Prisma's own engine download.
// Usage: npm run migrate -- NAME      compares the migrations with the schema and writes prisma/migrations/<time>_NAME
//        npm run migrate -- --check   fails when the schema says something that no migration does
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'
import { PGlite } from '@electric-sql/pglite'
import { createPgConfig } from '@electric-sql/pglite/node-postgres'
import { vector } from '@electric-sql/pglite-pgvector'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import pg from 'pg'

const require = createRequire(import.meta.url)
const SCHEMA = path.resolve('prisma/schema.prisma')
const MIGRATIONS = path.resolve('prisma/migrations')

/** The adapter knows no "char" (OID 18), which the engine's catalogue queries return: it is read as text, then relabelled. */
const CHAR = 18
const TEXT = 25

function relabel(result) {
  for (const part of [result].flat()) {
    for (const [i, field] of (part.fields ?? []).entries()) {
      if (field.dataTypeID !== CHAR) continue
      field.dataTypeID = TEXT
      part.rows.charColumns ??= []
      part.rows.charColumns.push(i)
    }
  }
  return result
}

class CharPool extends pg.Pool {
  async query(...args) {
    return relabel(await super.query(...args))
  }
}

function withChars(queryable, pool) {
  const queryRaw = queryable.queryRaw.bind(queryable)
  queryable.queryRaw = async (...args) => {
    const result = await queryRaw(...args)
    for (const i of result.rows.charColumns ?? []) result.columnTypes[i] = ColumnTypeEnum.Character
    return result
  }
  // The adapter cuts a script at every semicolon, those within a function too: the server takes it whole.
  queryable.executeScript = async (script) => {
    await pool.query(script)
  }
  return queryable
}

const opened = []

async function connectEmpty() {
  const db = await PGlite.create('memory://', { extensions: { vector } })
  opened.push(db)
  const config = createPgConfig(db)
  const parse = config.connection.parse.bind(config.connection)
  config.connection.parse = (query) => parse({ ...query, types: Array.isArray(query.types) ? query.types : undefined })
  const pool = new CharPool(config)
  return withChars(await new PrismaPg(pool).connect(), pool)
}

const factory = {
  provider: 'postgres',
  adapterName: '@prisma/adapter-pg',
  connect: connectEmpty,
  connectToShadowDb: connectEmpty,
}

async function openEngine() {
  globalThis.PRISMA_WASM_PANIC_REGISTRY ??= { set_message: (message) => console.error(message), get: () => '' }
  const bindings = await import('@prisma/schema-engine-wasm/schema_engine_bg')
  const wasm = require.resolve('@prisma/schema-engine-wasm').replace(/schema_engine\.js$/, 'schema_engine_bg.wasm')
  const { instance } = await WebAssembly.instantiate(readFileSync(wasm), { './schema_engine_bg.js': bindings })
  bindings.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start?.()
  return bindings.SchemaEngine.new({}, () => {}, bindMigrationAwareSqlAdapterFactory(factory))
}

const names = readdirSync(MIGRATIONS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort()
const migrations = {
  baseDir: MIGRATIONS,
  lockfile: {
    path: 'migration_lock.toml',
    content: readFileSync(path.join(MIGRATIONS, 'migration_lock.toml'), 'utf8'),
  },
  migrationDirectories: names.map((name) => ({
    path: name,
    migrationFile: {
      path: 'migration.sql',
      content: { tag: 'ok', value: readFileSync(path.join(MIGRATIONS, name, 'migration.sql'), 'utf8') },
    },
  })),
  shadowDbInitScript: '',
}

const [argument] = process.argv.slice(2)
const engine = await openEngine()
const { stdout: sql } = await engine.diff({
  from: { tag: 'migrations', ...migrations },
  to: { tag: 'schemaDatamodel', files: [{ path: SCHEMA, content: readFileSync(SCHEMA, 'utf8') }] },
  script: true,
  exitCode: null,
  filters: { externalTables: [], externalEnums: [] },
})
const isEmpty = !sql || /^\s*(-- This is an empty migration\.)?\s*$/.test(sql)
if (isEmpty) console.log('the migrations say all that the schema says')
else if (argument === '--check' || !argument) {
  console.error(`the schema says more than the migrations do: run "npm run migrate -- NAME"\n${sql}`)
  process.exitCode = 1
} else {
  const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  const folder = path.join(MIGRATIONS, `${time}_${argument}`)
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'migration.sql'), sql)
  console.log(`wrote ${path.relative(process.cwd(), folder)}/migration.sql: read it before you commit it`)
}
for (const db of opened) await db.close()
process.exit()
