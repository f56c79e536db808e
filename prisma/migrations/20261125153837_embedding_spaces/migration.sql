-- AlterTable
ALTER TABLE "EmbeddingSpace" ADD COLUMN     "jobId" UUID,
ADD COLUMN     "sourceSpaceId" UUID;
