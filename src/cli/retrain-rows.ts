import type { Control, Labels, Matrix, Samples } from '../engine/index.ts'
import { UsageError } from './errors.ts'
import { readFeatures } from './feature-files.ts'
import { readLabels } from './label-files.ts'
import { type PictureFolder, type ReadPixels, readPictureFolder, type UnreadablePicture } from './picture-folder.ts'

/** Where the rows of a retraining come from: pictures, or given vectors. */
export interface RetrainSources {
  readonly images?: string
  readonly unlabelledImages?: string
  readonly edge: number
  readonly features?: string
  readonly dim?: number
  readonly labels?: string
  readonly unlabelledFeatures?: string
}

/** Labelled rows first, then those without a label. */
export interface RetrainRows {
  readonly samples: Samples
  /** int32 [n]; below 0 = not known. */
  readonly labels: Labels
  /** One a row, where rows are pictures. */
  readonly files?: readonly string[]
  /** Name of each label, where labels are folders. */
  readonly names?: readonly string[]
  readonly unreadable: readonly UnreadablePicture[]
}

/** @throws UsageError naming the option, the file or the row. */
export async function readRetrainRows(
  sources: RetrainSources,
  readPixels: ReadPixels,
  control: Control,
): Promise<RetrainRows> {
  const { images, unlabelledImages, features, labels } = sources
  if ((images === undefined) === (features === undefined)) {
    throw new UsageError(
      '--images with --unlabelled-images, or --features with --labels, must be given: one of the two',
    )
  }
  if (images !== undefined) {
    if (unlabelledImages === undefined) throw new UsageError('--unlabelled-images is needed beside --images')
    return pictureRows(images, unlabelledImages, sources.edge, readPixels, control)
  }
  if (labels === undefined) throw new UsageError('--labels is needed beside --features')
  return vectorRows(sources, features as string, labels)
}

async function pictureRows(
  images: string,
  unlabelledImages: string,
  edge: number,
  readPixels: ReadPixels,
  control: Control,
): Promise<RetrainRows> {
  const known = await readPictureFolder(images, edge, readPixels, control)
  const folders = known.files.map((file) => labelFolder(images, file))
  const names = [...new Set(folders)].sort()
  const numbers = new Map(names.map((name, number) => [name, number]))
  const unknown = await readPictureFolder(unlabelledImages, edge, readPixels, control)
  const inFolder = (folder: string, { files }: PictureFolder) => files.map((file) => `${folder}/${file}`)
  const data = new Uint8Array(known.data.length + unknown.data.length)
  data.set(known.data)
  data.set(unknown.data, known.data.length)
  const files = [...inFolder(images, known), ...inFolder(unlabelledImages, unknown)]
  return {
    samples: { data, count: files.length, shape: [edge, edge, 3] },
    labels: Int32Array.from(files, (_, row) => numbers.get(folders[row]) ?? -1),
    files,
    names,
    unreadable: [...known.unreadable, ...unknown.unreadable],
  }
}

/** The folder directly below the one given is the label. */
function labelFolder(images: string, file: string): string {
  const at = file.indexOf('/')
  if (at < 0) throw new UsageError(`${images} must hold one folder a label: ${file} lies outside of any`)
  return file.slice(0, at)
}

async function vectorRows(
  { dim, unlabelledFeatures }: RetrainSources,
  features: string,
  labels: string,
): Promise<RetrainRows> {
  const known = await readFiniteRows(features, dim)
  const given = await readLabels(labels, known.rows)
  const unknown =
    unlabelledFeatures === undefined ? undefined : await readFiniteRows(unlabelledFeatures, dim ?? known.cols)
  const data = new Float32Array(known.data.length + (unknown?.data.length ?? 0))
  data.set(known.data)
  if (unknown) data.set(unknown.data, known.data.length)
  const count = known.rows + (unknown?.rows ?? 0)
  return {
    samples: { data, count, shape: [known.cols] },
    labels: Int32Array.from({ length: count }, (_, row) => Math.max(-1, given[row] ?? -1)),
    unreadable: [],
  }
}

async function readFiniteRows(file: string, dim: number | undefined): Promise<Matrix> {
  const matrix = await readFeatures(file, dim)
  const at = matrix.data.findIndex((value) => !Number.isFinite(value))
  if (at >= 0) {
    throw new UsageError(
      `${file} must hold finite numbers: got ${matrix.data[at]} in row ${Math.floor(at / matrix.cols)}`,
    )
  }
  return matrix
}
