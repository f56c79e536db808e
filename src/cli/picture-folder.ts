import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { type Control, EngineError } from '../engine/index.ts'
import { UsageError } from './errors.ts'

/** Upright RGB pixels of a picture stretched to a square, 8 bits each. @throws UsageError where it is none. */
export type ReadPixels = (bytes: Uint8Array, edge: number) => Promise<Uint8Array>

export interface UnreadablePicture {
  readonly file: string
  readonly problem: string
}

export interface PictureFolder {
  /** Paths below the folder, in ascending order: one a picture that was read. */
  readonly files: string[]
  /** One square after the other, `edge` x `edge` x 3 bytes each. */
  readonly data: Uint8Array
  readonly unreadable: UnreadablePicture[]
}

const CHANNELS = 3
const AT_ONCE = 8
const IS_PICTURE = /\.(jpe?g|png|webp|gif|tiff?|avif|heif|svg)$/i

/** All pictures in a folder and the folders below it. Pictures that cannot be read are left out and named. */
export async function readPictureFolder(
  folder: string,
  edge: number,
  readPixels: ReadPixels,
  { signal, onProgress }: Control,
): Promise<PictureFolder> {
  const names = await listPictures(folder)
  const values = edge * edge * CHANNELS
  const data = new Uint8Array(names.length * values)
  const files: string[] = []
  const unreadable: UnreadablePicture[] = []
  for (let from = 0; from < names.length; from += AT_ONCE) {
    if (signal?.aborted) throw new EngineError('ABORTED', 'reading pictures was cancelled')
    const part = names.slice(from, from + AT_ONCE)
    const read = await Promise.all(part.map((file) => pixelsOf(path.join(folder, file), edge, readPixels)))
    part.forEach((file, i) => {
      const pixels = read[i]
      if (typeof pixels === 'string') {
        unreadable.push({ file, problem: pixels })
        return
      }
      data.set(pixels, files.length * values)
      files.push(file)
    })
    onProgress?.({ phase: 'read_pictures', completed: from + part.length, total: names.length })
  }
  if (files.length === 0) {
    const why = unreadable.length > 0 ? `none of ${names.length} can be read: ${unreadable[0].problem}` : 'got none'
    throw new UsageError(`${folder} must hold pictures (.jpg, .png, .webp, ...): ${why}`)
  }
  return { files, data: data.subarray(0, files.length * values), unreadable }
}

/** Paths with forward slashes, so that their order is the same on every system. */
async function listPictures(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile() && IS_PICTURE.test(entry.name))
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/'))
      .sort()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new UsageError(`no such folder: ${folder}`)
    if (code === 'ENOTDIR') throw new UsageError(`${folder} must be a folder of pictures: got a file`)
    throw error
  }
}

async function pixelsOf(file: string, edge: number, readPixels: ReadPixels): Promise<Uint8Array | string> {
  try {
    return await readPixels(await readFile(file), edge)
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
}
