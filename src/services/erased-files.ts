import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import type { DatasetVersion } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { recordAudit } from './audit.ts'
import { readManifestRows } from './dataset-manifest.ts'
import { findUsedFiles } from './file-use.ts'
import { thumbnailKeys } from './media.ts'
import type { CropBox } from './ports.ts'

/** A picture that an erased item had. */
export interface ErasedImage {
  readonly imageKey: string
  readonly box: CropBox | null
}

/** Deletes a picture and its thumbnails; where other items show the same one, only thumbnails of a crop that none of them has. */
export async function eraseImage(app: App, { imageKey, box }: ErasedImage): Promise<void> {
  // Files are shared by content over all projects; each lookup names its own.
  const projects = await app.prisma.project.findMany({ select: { id: true } })
  const boxes: (CropBox | null)[] = []
  for (const { id: projectId } of projects) {
    const sharers = await app.prisma.item.findMany({ where: { projectId, imageKey }, select: { box: true } })
    boxes.push(...sharers.map((sharer) => sharer.box as CropBox | null))
  }
  const kept = new Set(boxes.flatMap((shared) => thumbnailKeys(imageKey, shared)))
  for (const key of [...thumbnailKeys(imageKey, box), ...thumbnailKeys(imageKey, null)]) {
    if (!kept.has(key)) await app.files.delete(key)
  }
  if (boxes.length === 0) await app.files.delete(imageKey)
}

/**
 * Takes erased items out of a frozen dataset, and withdraws the exports made from it, which may hold their pictures: they
 * can be made again. The content hash becomes that of what is left; the audit log keeps both. Returns whether any was in it.
 */
export async function redactVersion(app: App, version: DatasetVersion, itemIds: ReadonlySet<string>): Promise<boolean> {
  const { projectId, id, contentHash } = version
  const hash = createHash('sha256')
  const identities = new Set<string>()
  let itemCount = 0
  let removedCount = 0
  async function* lines(): AsyncGenerator<string> {
    for await (const row of readManifestRows(app, version)) {
      if (itemIds.has(row.itemId)) {
        removedCount++
        continue
      }
      const line = `${JSON.stringify(row)}\n`
      hash.update(line)
      itemCount++
      identities.add(row.identityId)
      yield line
    }
  }
  const { key: manifestKey } = await app.files.put(Readable.from(lines()).pipe(createGzip()))
  if (removedCount === 0) return false
  const after = hash.digest('hex')
  const withdrawn = await app.prisma.$transaction(async (tx) => {
    const exports = await tx.export.findMany({ where: { projectId, datasetVersionId: id }, select: { id: true } })
    const where = { projectId, exportId: { in: exports.map((made) => made.id) } }
    const files = await tx.exportFile.findMany({ where, select: { fileKey: true } })
    await tx.exportFile.deleteMany({ where })
    await tx.datasetVersion.update({
      where: { projectId_id: { projectId, id } },
      data: { manifestKey, itemCount, identityCount: identities.size, contentHash: after },
    })
    const detail = { removedCount, contentHashBefore: contentHash, contentHashAfter: after }
    const system = { userId: null, requestId: `erase-${id}` }
    await recordAudit(tx, system, { projectId, action: 'dataset.redacted', target: ['DatasetVersion', id], detail })
    return files.map(({ fileKey }) => fileKey)
  })
  const old = version.manifestKey as string
  const nobodysNow = new Set([...withdrawn, old])
  // Equal content is one file: another version or export may have the very same.
  const used = await findUsedFiles(app, [...nobodysNow])
  for (const fileKey of nobodysNow) if (!used.has(fileKey)) await app.files.delete(fileKey)
  return true
}
