-- AlterTable
ALTER TABLE "Upload" ADD COLUMN     "expiredAt" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "TemporaryFile" (
    "projectId" UUID NOT NULL,
    "fileKey" TEXT NOT NULL,
    "ownerId" UUID NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "TemporaryFile_pkey" PRIMARY KEY ("projectId","fileKey","ownerId")
);

-- CreateIndex
CREATE INDEX "Upload_projectId_fileKey_idx" ON "Upload"("projectId", "fileKey");

-- CreateIndex
CREATE INDEX "Upload_projectId_expiredAt_createdAt_idx" ON "Upload"("projectId", "expiredAt", "createdAt");

-- Written by hand: manifests that imports have fetched so far.
INSERT INTO "TemporaryFile" ("projectId", "fileKey", "ownerId")
SELECT "projectId", "checkpoint"->'fetched'->>'fileKey', "id" FROM "Job"
WHERE "kind" = 'import' AND "checkpoint"->'fetched'->>'fileKey' IS NOT NULL;
