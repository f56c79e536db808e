-- Written by hand: what the Prisma schema cannot say. Each claim draws a few gold and random tasks among all open ones.
CREATE INDEX "ReviewTask_open_gold_idx" ON "ReviewTask"("projectId", "id")
  WHERE "goldVerdict" IS NOT NULL AND "state" IN ('PENDING', 'LEASED', 'ANSWERED', 'DISPUTED');
CREATE INDEX "ReviewTask_open_random_idx" ON "ReviewTask"("projectId", "auditRank", "id")
  WHERE "auditRank" IS NOT NULL AND "state" IN ('PENDING', 'LEASED', 'ANSWERED', 'DISPUTED');
