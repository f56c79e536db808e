import { buildEmbeddingIndex } from './build-embedding-index.ts'
import { buildReviewQueue } from './build-review-queue.ts'
import { checkModel } from './check-model.ts'
import { clusterItems } from './cluster-items.ts'
import { embedItems } from './embed-items.ts'
import { embedSpace } from './embed-space.ts'
import { eraseFiles } from './erase-files.ts'
import { freezeDataset } from './freeze-dataset.ts'
import { importItems } from './import-items.ts'
import { trainModel } from './train-model.ts'
import { writeExport } from './write-export.ts'

/** The code of every job; start-up checks that each declared job is here once. */
export const jobHandlers = [
  eraseFiles,
  importItems,
  checkModel,
  embedItems,
  buildEmbeddingIndex,
  clusterItems,
  buildReviewQueue,
  trainModel,
  embedSpace,
  freezeDataset,
  writeExport,
]
