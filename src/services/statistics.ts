import type { Prisma } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'

/**
 * Tells the planner how large tables have become after a bulk write. The embedded database has no autovacuum, and a server
 * takes a minute to notice: until then plans for an empty table turn joins of thousands of rows into minutes.
 */
export async function refreshStatistics(
  { prisma }: { prisma: App['prisma'] | Tx },
  ...tables: Prisma.ModelName[]
): Promise<void> {
  await prisma.$executeRawUnsafe(`ANALYZE ${tables.map((table) => `"${table}"`).join(', ')}`)
}
