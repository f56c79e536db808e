import type { ExportFormat } from '../generated/prisma/client.ts'
import type { ExportFormatWriter } from './export-format.ts'
import { learnToClusterWriter } from './write-learn-to-cluster.ts'
import { parquetWriter } from './write-parquet.ts'
import { cocoWriter, fiftyOneWriter, imageFolderWriter } from './write-picture-sets.ts'
import { csvWriter, jsonlWriter } from './write-tables.ts'

export const EXPORT_WRITERS: Record<ExportFormat, ExportFormatWriter> = {
  JSONL: jsonlWriter,
  CSV: csvWriter,
  PARQUET: parquetWriter,
  IMAGE_FOLDER: imageFolderWriter,
  COCO: cocoWriter,
  LEARN_TO_CLUSTER: learnToClusterWriter,
  FIFTYONE: fiftyOneWriter,
}
