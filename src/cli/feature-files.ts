import { open } from 'node:fs/promises'
import type { Matrix } from '../engine/index.ts'
import { UsageError } from './errors.ts'
import { NPY_HEADER_BYTES, readNpyHeader } from './npy.ts'

const BYTES_A_READ = 1 << 26

/**
 * Embeddings from a file: raw little-endian float32 rows (.f32, .bin), which need `dim`, or .npy of float32 or float64.
 *
 * @param dim columns; checked where the file says it itself
 * @throws UsageError naming what was expected.
 */
export async function readFeatures(file: string, dim: number | undefined): Promise<Matrix> {
  const handle = await openFile(file)
  try {
    const { size } = await handle.stat()
    const layout = file.endsWith('.npy') ? await npyLayout(file, handle, dim) : rawLayout(file, size, dim)
    const { rows, cols, bytesAValue, dataOffset } = layout
    if (rows === 0) throw new UsageError(`${file} must hold at least one row: got none`)
    if (size < dataOffset + rows * cols * bytesAValue) {
      throw new UsageError(
        `${file} is cut short: got ${size} bytes, expected ${dataOffset + rows * cols * bytesAValue}`,
      )
    }
    const data = new Float32Array(rows * cols)
    const values = Math.floor(BYTES_A_READ / bytesAValue)
    for (let at = 0; at < data.length; at += values) {
      const count = Math.min(values, data.length - at)
      const chunk = Buffer.alloc(count * bytesAValue)
      await readFully(handle, chunk, dataOffset + at * bytesAValue)
      data.set(
        bytesAValue === 4
          ? new Float32Array(chunk.buffer, chunk.byteOffset, count)
          : new Float64Array(chunk.buffer, chunk.byteOffset, count),
        at,
      )
    }
    return { data, rows, cols }
  } finally {
    await handle.close()
  }
}

export type FileHandle = Awaited<ReturnType<typeof open>>

export async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new UsageError(`no such file: ${file}`)
    if (code === 'EACCES' || code === 'EISDIR') throw new UsageError(`${file} cannot be read: ${code}`)
    throw error
  }
}

async function readFully(handle: FileHandle, into: Buffer, position: number): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await handle.read(into, at, into.length - at, position + at)
    if (bytesRead === 0) throw new UsageError('the file ended while it was read')
    at += bytesRead
  }
}

function rawLayout(file: string, size: number, dim: number | undefined) {
  if (dim === undefined)
    throw new UsageError(`--dim is needed for ${file}: a raw matrix does not say how long its rows are`)
  if (size % (4 * dim) !== 0) {
    throw new UsageError(
      `${file} must hold whole rows of ${dim} float32 values: got ${size} bytes, which is no multiple of ${4 * dim}; is --dim right?`,
    )
  }
  return { rows: size / (4 * dim), cols: dim, bytesAValue: 4, dataOffset: 0 }
}

async function npyLayout(file: string, handle: FileHandle, dim: number | undefined) {
  const head = Buffer.alloc(NPY_HEADER_BYTES)
  const { bytesRead } = await handle.read(head, 0, head.length, 0)
  const { dtype, shape, dataOffset } = readNpyHeader(file, head.subarray(0, bytesRead))
  if (shape.length !== 2) throw new UsageError(`${file} must be a matrix: got shape (${shape.join(', ')})`)
  if (dtype !== '<f4' && dtype !== '<f8') throw new UsageError(`${file} must be float32 or float64: got ${dtype}`)
  if (dim !== undefined && shape[1] !== dim)
    throw new UsageError(`--dim must fit ${file}: got ${dim}, expected ${shape[1]}`)
  return { rows: shape[0], cols: shape[1], bytesAValue: dtype === '<f4' ? 4 : 8, dataOffset }
}
