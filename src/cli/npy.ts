import { UsageError } from './errors.ts'

export interface NpyHeader {
  /** As in the file, for example '<f4'. */
  readonly dtype: string
  readonly shape: readonly number[]
  /** Bytes before the values. */
  readonly dataOffset: number
}

const MAGIC = '\u0093NUMPY'
/** The longest header that is worth reading: NumPy pads to 64 bytes and writes a few dozen. */
export const NPY_HEADER_BYTES = 4096

/**
 * The header of an .npy file, versions 1 to 3, C order.
 *
 * @param bytes the first bytes of the file, `NPY_HEADER_BYTES` or all
 * Source: NEP 1, numpy/lib/format.
 */
export function readNpyHeader(file: string, bytes: Uint8Array): NpyHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = (from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString('latin1')
  if (bytes.length < 12 || text(0, 6) !== MAGIC) {
    throw new UsageError(`${file} must be an .npy file: got other first bytes; save it with numpy.save`)
  }
  const isLong = bytes[6] > 1
  const length = isLong ? view.getUint32(8, true) : view.getUint16(8, true)
  const dataOffset = (isLong ? 12 : 10) + length
  const header = text(dataOffset - length, dataOffset)
  const dtype = /'descr':\s*'([^']+)'/.exec(header)?.[1]
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1]
  if (dtype === undefined || shape === undefined)
    throw new UsageError(`${file} has no readable .npy header: got ${header.trim()}`)
  if (/'fortran_order':\s*True/.test(header)) {
    throw new UsageError(`${file} must be in C order: got Fortran order; save numpy.ascontiguousarray of it`)
  }
  return { dtype, shape: shape.split(',').flatMap((part) => (part.trim() ? [Number(part)] : [])), dataOffset }
}
