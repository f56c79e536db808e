-- CreateEnum
CREATE TYPE "AuditStratum" AS ENUM ('LINK', 'WITHIN', 'ACROSS');

-- CreateEnum
CREATE TYPE "ReviewSkipReason" AS ENUM ('UNCLEAR_IMAGE', 'NEEDS_EXPERT', 'BAD_QUESTION', 'OTHER');

-- AlterTable
ALTER TABLE "CalibrationReport" ADD COLUMN     "createdById" UUID,
ADD COLUMN     "probabilities" JSONB,
ADD COLUMN     "runId" UUID;

-- AlterTable
ALTER TABLE "ReviewTask" ADD COLUMN     "alsoPairs" JSONB,
ADD COLUMN     "auditRank" INTEGER,
ADD COLUMN     "auditStratum" "AuditStratum",
ADD COLUMN     "auditWeight" DOUBLE PRECISION,
ADD COLUMN     "settledAt" TIMESTAMPTZ(3),
ADD COLUMN     "settledVerdict" "ReviewVerdict";

-- CreateTable
CREATE TABLE "ReviewSkip" (
    "projectId" UUID NOT NULL,
    "taskId" UUID NOT NULL,
    "actorId" UUID NOT NULL,
    "reason" "ReviewSkipReason" NOT NULL,
    "comment" TEXT,
    "skippedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ReviewSkip_pkey" PRIMARY KEY ("projectId","taskId","actorId")
);

-- CreateIndex
CREATE INDEX "ReviewSkip_projectId_actorId_idx" ON "ReviewSkip"("projectId", "actorId");

-- CreateIndex
CREATE INDEX "ReviewTask_projectId_leftItemId_idx" ON "ReviewTask"("projectId", "leftItemId");

-- CreateIndex
CREATE INDEX "ReviewTask_projectId_rightItemId_idx" ON "ReviewTask"("projectId", "rightItemId");

-- CreateIndex
CREATE INDEX "ReviewTask_projectId_runId_auditStratum_auditRank_idx" ON "ReviewTask"("projectId", "runId", "auditStratum", "auditRank");
