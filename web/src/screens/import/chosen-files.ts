import { downloadZip } from 'client-zip'

export type Kind = 'folder' | 'archive' | 'manifest'

/** What somebody wants to import: one file, or the pictures of a folder that become one archive. */
export interface Chosen {
  readonly kind: Kind
  readonly name: string
  readonly files: readonly File[]
  /** Folders that hold pictures: each is a label. */
  readonly folders: readonly string[]
  readonly byteSize: number
}

const PICTURES = /\.(jpe?g|png|webp|gif|avif|tiff?|bmp|svg)$/i
const MANIFESTS = /\.(jsonl|ndjson|csv|parquet|npy|bin|f32|meta)$/i

const pathOf = (file: File): string => file.webkitRelativePath || file.name

/** The files that count, or why there is nothing to import. */
export function choose(kind: Kind, list: Iterable<File>): Chosen | string {
  const all = [...list]
  if (all.length === 0) return 'Nothing was chosen.'
  const [first] = all as [File, ...File[]]
  if (kind === 'folder') {
    const files = all.filter((file) => PICTURES.test(file.name) || MANIFESTS.test(file.name))
    if (files.length === 0) {
      return `There is no picture and no manifest among the ${all.length} files of “${pathOf(first).split('/')[0]}”.`
    }
    const folders = new Set(files.map((file) => pathOf(file).split('/').slice(1, -1).join('/')).filter(Boolean))
    return {
      kind,
      name: `${pathOf(first).split('/')[0]}.zip`,
      files,
      folders: [...folders].sort(),
      byteSize: files.reduce((sum, { size }) => sum + size, 0),
    }
  }
  const isRight = kind === 'archive' ? /\.zip$/i.test(first.name) : MANIFESTS.test(first.name)
  if (!isRight) {
    return kind === 'archive'
      ? `A zip archive is needed: got “${first.name}”.`
      : `A manifest ends in .jsonl, .csv, .parquet, .npy or .bin: got “${first.name}”.`
  }
  return { kind, name: first.name, files: [first], folders: [], byteSize: first.size }
}

/** The bytes to upload: the file itself, or the folder as one archive. */
export async function contentOf({ kind, files }: Chosen): Promise<Blob> {
  if (kind !== 'folder') return files[0] as File
  return downloadZip(files.map((file) => ({ name: pathOf(file), lastModified: file.lastModified, input: file }))).blob()
}
