-- AlterTable
ALTER TABLE "EmbeddingSpace" ADD COLUMN     "searchRecall" DOUBLE PRECISION,
ADD COLUMN     "searchWidth" INTEGER;
