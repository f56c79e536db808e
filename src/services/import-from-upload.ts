import type { App } from './app.ts'
import { type ImportFile, type ImportFolder, innerPath, storedFile } from './import-file.ts'
import type { ImportSource } from './import-source.ts'
import { getStagedUpload } from './uploads.ts'

/** The finished uploads of a project by their names, the newest of a name first: keys and pictures beside a manifest. */
const uploadsOf = (app: App, projectId: string): ImportFolder => ({
  async find(name): Promise<ImportFile | undefined> {
    const fileName = innerPath(name)
    if (!fileName) return undefined
    const upload = await app.prisma.upload.findFirst({
      where: { projectId, fileName, fileKey: { not: null }, expiredAt: null },
      orderBy: { id: 'desc' },
    })
    return upload ? storedFile(app, fileName, upload.fileKey as string, Number(upload.byteSize)) : undefined
  },
})

/** A file that was put on an address of createUpload. */
export async function sourceFromUpload(
  app: App,
  projectId: string,
  stagedUrl: string,
  isHeld: boolean,
): Promise<ImportSource> {
  const { fileName, fileKey, byteSize } = await getStagedUpload(app, projectId, stagedUrl, { isHeld })
  return {
    name: fileName,
    file: storedFile(app, fileName, fileKey, Number(byteSize)),
    folder: uploadsOf(app, projectId),
    where: `the uploads of this project: put it into one zip archive with the manifest, or upload it under its name`,
  }
}
