import type { App } from './app.ts'
import { IDEMPOTENCY_HOURS } from './idempotency.ts'

const DELIVERED_DAYS = 30

/** Removes what is kept for a time only: remembered answers, and webhook deliveries that arrived. */
export async function tidyUp({ prisma }: App): Promise<void> {
  await prisma.$executeRaw`
    /* tidyUp: answers */ DELETE FROM "IdempotencyRecord"
    WHERE "createdAt" < now() - ${IDEMPOTENCY_HOURS} * interval '1 hour'`
  await prisma.$executeRaw`
    /* tidyUp: deliveries */ DELETE FROM "WebhookDelivery"
    WHERE "deliveredAt" < now() - ${DELIVERED_DAYS} * interval '1 day'`
}
