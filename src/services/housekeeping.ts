import type { App } from './app.ts'
import { IDEMPOTENCY_HOURS } from './idempotency.ts'
import { sweepFiles } from './sweep-files.ts'
import { resealWebhookSecrets } from './webhook-secrets.ts'

const DELIVERED_DAYS = 30

/**
 * Removes what is kept for a time only (remembered answers, webhook deliveries that arrived, uploads, temporary files), and
 * brings stored secrets under the key of today.
 */
export async function tidyUp(app: App): Promise<void> {
  const { prisma } = app
  await prisma.$executeRaw`
    /* tidyUp: answers */ DELETE FROM "IdempotencyRecord"
    WHERE "createdAt" < now() - ${IDEMPOTENCY_HOURS} * interval '1 hour'`
  await prisma.$executeRaw`
    /* tidyUp: deliveries */ DELETE FROM "WebhookDelivery"
    WHERE "deliveredAt" < now() - ${DELIVERED_DAYS} * interval '1 day'`
  await resealWebhookSecrets(app)
  await sweepFiles(app)
}
