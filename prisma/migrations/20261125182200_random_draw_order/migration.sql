-- Written by hand: what the Prisma schema cannot say. Random tasks are drawn in this very order, so that a claim reads the
-- few it takes and does not sort all that are open.
DROP INDEX "ReviewTask_open_random_idx";
CREATE INDEX "ReviewTask_open_random_idx"
  ON "ReviewTask"("projectId", ("auditRank" * CASE WHEN "auditStratum" = 'LINK' THEN 1 ELSE 2 END), "id")
  WHERE "auditRank" IS NOT NULL AND "state" IN ('PENDING', 'LEASED', 'ANSWERED', 'DISPUTED');
