import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { invalid } from './errors.ts'
import { readWhole, storedFile } from './import-file.ts'
import { embedQuery } from './project-embedder.ts'
import { type SimilarItem, searchByVector } from './similarity.ts'
import { getStagedUpload, STAGED_SCHEME } from './uploads.ts'

/** A picture to search with, not one to keep. */
const MAX_PICTURE_BYTES = 50 * 1024 ** 2

/** k-NN of an uploaded picture, embedded as the project's own are; of its largest face where the project embeds faces. */
export async function searchByPicture(
  app: App,
  viewer: Viewer,
  projectId: string,
  stagedUrl: string,
  first: number,
): Promise<SimilarItem[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  if (!stagedUrl.startsWith(STAGED_SCHEME)) {
    throw invalid(`stagedUrl must be one of createUpload: got ${stagedUrl}`, 'input', 'stagedUrl')
  }
  const { fileName, fileKey, byteSize } = await getStagedUpload(app, projectId, stagedUrl, { field: 'stagedUrl' })
  const bytes = await readWhole(storedFile(app, fileName, fileKey, Number(byteSize)), MAX_PICTURE_BYTES)
  await app.images.inspect(bytes)
  const vector = await embedQuery(app, projectId, bytes)
  return searchByVector(app, viewer, projectId, Array.from(vector), first)
}
