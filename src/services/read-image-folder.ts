import type { ImportFile, ImportFolder } from './import-file.ts'
import { extensionOf } from './import-file.ts'
import type { ManifestRow } from './manifest.ts'

const PICTURES = new Set(['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif', '.svg'])

/** Names of the parts that datasets are split into: they are no labels. */
const SPLITS = new Set(['train', 'training', 'test', 'testing', 'val', 'valid', 'validation', 'dev'])

export const isPicture = ({ name }: Pick<ImportFile, 'name'>): boolean => PICTURES.has(extensionOf(name))

/** The label of a picture is the first folder it lies in; a folder that names a split is passed over. */
export function labelOf(name: string): string | undefined {
  const folders = name.split('/').slice(0, -1)
  if (folders.length > 0 && SPLITS.has((folders[0] as string).toLowerCase())) folders.shift()
  return folders[0]
}

/** Every picture below a folder: its path is its key, its folder its label. */
export function openImageFolder(folder: ImportFolder, total: number) {
  async function* read(after: number): AsyncGenerator<ManifestRow> {
    let row = 0
    for await (const file of folder.list?.() ?? []) {
      if (!isPicture(file)) continue
      row++
      if (row <= after) continue
      const label = labelOf(file.name)
      yield { row, externalKey: file.name, image: file.name, ...(label && { label }) }
    }
  }
  return { total, read }
}
