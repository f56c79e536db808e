import type { App, Tx } from '../services/app.ts'
import type { BulkColumn, BulkType, BulkWriter } from '../services/bulk-port.ts'
import { encodeVectors, findVectorOid } from '../services/vectors.ts'
import { encodeCopy, reuse } from './copy-format.ts'
import type { Database } from './database.ts'
import { prepareCopy } from './server-client.ts'

/** Binary COPY on a server; the embedded database, whose COPY ends the session, gets one array a column. */
export const createBulkWriter = ({ kind, prisma }: Pick<Database, 'kind' | 'prisma'>): BulkWriter => ({
  insert: async (tx, table, rows, columns) => {
    if (rows === 0) return
    await (kind === 'server' ? copy(tx, table, rows, columns) : unnest(prisma, tx, table, rows, columns))
  },
})

const quoted = (name: string) => `"${name}"`

async function copy(tx: Tx, table: string, rows: number, columns: Readonly<Record<string, BulkColumn>>): Promise<void> {
  const names = Object.keys(columns).map(quoted).join(', ')
  const bytes = encodeCopy(rows, Object.values(columns))
  const { text, forget } = prepareCopy(`${quoted(table)} (${names})`, bytes)
  try {
    await tx.$executeRawUnsafe(text)
    reuse(bytes)
  } finally {
    forget()
  }
}

/** Names of our own enums are quoted, those of PostgreSQL's types are not. */
const sqlType = (type: BulkType) => (/^[A-Z]/.test(type) ? quoted(type) : type)

async function unnest(
  prisma: App['prisma'],
  tx: Tx,
  table: string,
  rows: number,
  columns: Readonly<Record<string, BulkColumn>>,
): Promise<void> {
  const parameters: unknown[] = []
  const lists: string[] = []
  const selected: string[] = []
  for (const column of Object.values(columns)) {
    const type = sqlType(column.type)
    if ('values' in column) {
      parameters.push(await arrayOf(prisma, tx, column.type, column.values, rows))
      lists.push(`$${parameters.length}::${type}[]`)
      selected.push(`t.c${lists.length}`)
    } else {
      parameters.push(column.value ?? null)
      selected.push(`$${parameters.length}::${type}`)
    }
  }
  const aliases = lists.map((_, i) => `c${i + 1}`).join(', ')
  await tx.$executeRawUnsafe(
    `/* insertMany */ INSERT INTO ${quoted(table)} (${Object.keys(columns).map(quoted).join(', ')})
    SELECT ${selected.join(', ')} FROM unnest(${lists.join(', ')}) AS t(${aliases})`,
    ...parameters,
  )
}

async function arrayOf(
  prisma: App['prisma'],
  tx: Tx,
  type: BulkType,
  values: ArrayLike<unknown>,
  rows: number,
): Promise<unknown> {
  if (type === 'vector') {
    return encodeVectors(Array.from(values as ArrayLike<Float32Array>), await findVectorOid(prisma, tx))
  }
  const list = Array.from({ length: rows }, (_, i) => values[i] ?? null)
  return type === 'jsonb' ? list.map((value) => (value === null ? null : JSON.stringify(value))) : list
}
