import { readFile, writeFile } from 'node:fs/promises'
import type { Labels } from '../engine/index.ts'
import { UsageError } from './errors.ts'
import { openFile } from './feature-files.ts'
import { readNpyHeader } from './npy.ts'

/**
 * One integer a row: raw little-endian int32 (.i32), text with one integer a line (.meta, .txt), or .npy of int32 or int64.
 *
 * @param rows expected; not checked where undefined
 * @throws UsageError naming the line or what was expected.
 */
export async function readLabels(file: string, rows?: number): Promise<Labels> {
  await (await openFile(file)).close()
  const bytes = await readFile(file)
  const labels = file.endsWith('.npy')
    ? fromNpy(file, bytes)
    : file.endsWith('.i32')
      ? fromRaw(file, bytes)
      : fromText(file, bytes)
  if (rows !== undefined && labels.length !== rows) {
    throw new UsageError(`${file} must have one label a row: got ${labels.length}, expected ${rows}`)
  }
  return labels
}

/** Written as the name of the file says; .npy is int32. */
export async function writeLabels(file: string, labels: Labels): Promise<void> {
  if (file.endsWith('.i32')) return writeFile(file, Buffer.from(labels.buffer, labels.byteOffset, labels.byteLength))
  if (file.endsWith('.npy')) return writeFile(file, toNpy(labels))
  return writeFile(file, `${Array.from(labels).join('\n')}\n`)
}

function fromRaw(file: string, bytes: Buffer): Labels {
  if (bytes.length % 4 !== 0) throw new UsageError(`${file} must hold int32 values: got ${bytes.length} bytes`)
  const labels = new Int32Array(bytes.length / 4)
  for (let i = 0; i < labels.length; i++) labels[i] = bytes.readInt32LE(4 * i)
  return labels
}

function fromText(file: string, bytes: Buffer): Labels {
  const lines = bytes.toString('utf8').split(/\r?\n/)
  if (lines.at(-1)?.trim() === '') lines.pop()
  return Int32Array.from(lines, (line, i) => {
    const value = Number(line)
    if (line.trim() === '' || !Number.isInteger(value) || Math.abs(value) > 2 ** 31 - 1) {
      throw new UsageError(`${file}, line ${i + 1} must be an integer: got ${JSON.stringify(line)}`)
    }
    return value
  })
}

function fromNpy(file: string, bytes: Buffer): Labels {
  const { dtype, shape, dataOffset } = readNpyHeader(file, bytes)
  if (shape.length !== 1) throw new UsageError(`${file} must be a vector: got shape (${shape.join(', ')})`)
  if (dtype !== '<i4' && dtype !== '<i8') throw new UsageError(`${file} must be int32 or int64: got ${dtype}`)
  const size = dtype === '<i4' ? 4 : 8
  if (bytes.length < dataOffset + shape[0] * size)
    throw new UsageError(`${file} is cut short: got ${bytes.length} bytes`)
  return Int32Array.from({ length: shape[0] }, (_, i) =>
    size === 4 ? bytes.readInt32LE(dataOffset + 4 * i) : Number(bytes.readBigInt64LE(dataOffset + 8 * i)),
  )
}

function toNpy(labels: Labels): Buffer {
  const dictionary = `{'descr': '<i4', 'fortran_order': False, 'shape': (${labels.length},), }`
  const padded = `${dictionary.padEnd(117, ' ')}\n`
  const head = Buffer.alloc(10)
  head.write('\u0093NUMPY', 'latin1')
  head[6] = 1
  head.writeUInt16LE(padded.length, 8)
  return Buffer.concat([
    head,
    Buffer.from(padded, 'latin1'),
    Buffer.from(labels.buffer, labels.byteOffset, labels.byteLength),
  ])
}
