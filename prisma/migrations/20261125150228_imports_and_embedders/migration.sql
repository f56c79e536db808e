-- AlterTable
ALTER TABLE "Project" ADD COLUMN     "embedderId" TEXT;

-- CreateTable
CREATE TABLE "JobFailedRow" (
    "projectId" UUID NOT NULL,
    "jobId" UUID NOT NULL,
    "row" INTEGER NOT NULL,
    "externalKey" TEXT,
    "problem" TEXT NOT NULL,

    CONSTRAINT "JobFailedRow_pkey" PRIMARY KEY ("projectId","jobId","row")
);

-- CreateIndex
CREATE INDEX "Upload_projectId_fileName_id_idx" ON "Upload"("projectId", "fileName", "id");
