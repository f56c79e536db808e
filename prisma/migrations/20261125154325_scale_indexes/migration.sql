-- DropIndex
DROP INDEX "Identity_projectId_state_memberCount_id_idx";

-- DropIndex
DROP INDEX "Identity_projectId_state_risk_id_idx";

-- DropIndex
DROP INDEX "Identity_projectId_updatedAt_id_idx";

-- DropIndex
DROP INDEX "IdentityMember_projectId_identityId_risk_itemId_idx";

-- DropIndex
DROP INDEX "ReviewTask_projectId_state_priority_id_idx";

-- CreateIndex
CREATE INDEX "Identity_projectId_risk_id_idx" ON "Identity"("projectId", "risk" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "Identity_projectId_memberCount_id_idx" ON "Identity"("projectId", "memberCount" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "Identity_projectId_updatedAt_id_idx" ON "Identity"("projectId", "updatedAt" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "IdentityMember_projectId_identityId_risk_itemId_idx" ON "IdentityMember"("projectId", "identityId", "risk" DESC, "itemId" DESC);

-- CreateIndex
CREATE INDEX "ReviewTask_projectId_state_kind_priority_id_idx" ON "ReviewTask"("projectId", "state", "kind", "priority" DESC, "id");

-- Written by hand: what the Prisma schema cannot say.

-- Claims walk down the open tasks, best first, whatever their state: one index in their order.
CREATE INDEX "ReviewTask_claimable_idx" ON "ReviewTask"("projectId", "priority" DESC, "id")
  WHERE "state" IN ('PENDING', 'LEASED', 'ANSWERED', 'DISPUTED');

-- The list of identities by name; nameless ones come last.
CREATE INDEX "Identity_name_order_idx" ON "Identity"("projectId", (coalesce("name", U&'\FFFF')), "id");
