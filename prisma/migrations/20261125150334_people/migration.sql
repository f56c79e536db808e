-- AlterTable
ALTER TABLE "WebhookDelivery" DROP COLUMN "body",
ADD COLUMN     "auditEventId" UUID NOT NULL,
ALTER COLUMN "id" SET DEFAULT gen_random_uuid();

-- AlterTable
ALTER TABLE "WebhookEndpoint" DROP COLUMN "deadLetterCount",
ADD COLUMN     "createdById" UUID NOT NULL;

-- CreateIndex
CREATE INDEX "WebhookDelivery_projectId_endpointId_createdAt_id_idx" ON "WebhookDelivery"("projectId", "endpointId", "createdAt" DESC, "id");

-- Due deliveries are few among those that were made.
CREATE INDEX "WebhookDelivery_pending_idx" ON "WebhookDelivery" ("projectId", "nextAttemptAt")
WHERE "deliveredAt" IS NULL AND "deadAt" IS NULL;

-- Whoever writes an audit event, by whatever statement, queues it for the endpoints that want it, in the same transaction.
CREATE FUNCTION "queueWebhookDeliveries"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "WebhookDelivery" ("projectId", "endpointId", "auditEventId", "event")
  SELECT w."projectId", w."id", NEW."id", NEW."action"
  FROM "WebhookEndpoint" w WHERE w."projectId" = NEW."projectId" AND NEW."action" = ANY (w."events");
  RETURN NULL;
END
$$;

CREATE TRIGGER "AuditEvent_webhooks" AFTER INSERT ON "AuditEvent"
FOR EACH ROW EXECUTE FUNCTION "queueWebhookDeliveries"();
