import type { App } from './app.ts'

export interface Health {
  status: 'ok' | 'down'
  database: string
  engine?: { backend: string; passedOver: { backend: string; reason: string }[] }
  problem?: string
}

/** Whether this server can do its work, and with what: the engine's backend and the reason for each passed over. */
export async function describeHealth(app: App): Promise<Health> {
  const database = app.config.databaseUrl ? 'server' : 'embedded'
  try {
    await app.prisma.$queryRaw`SELECT 1`
  } catch (error) {
    app.log.error({ err: error }, 'the database does not answer')
    return { status: 'down', database, problem: 'the database does not answer' }
  }
  const { name, passedOver } = await app.engine.backend()
  return { status: 'ok', database, engine: { backend: name, passedOver: [...passedOver] } }
}
