import { DomainError } from './errors.ts'

export interface NpyHeader {
  /** As in the file, for example '<f4'. */
  readonly dtype: string
  readonly shape: readonly number[]
  /** Bytes before the values. */
  readonly dataOffset: number
}

const MAGIC = '\u0093NUMPY'
/** NumPy pads headers to 64 bytes and writes a few dozen; none that is worth reading is longer. */
export const NPY_HEADER_BYTES = 4096

/**
 * The header of an .npy file, versions 1 to 3, C order.
 *
 * @param bytes the first bytes of the file, NPY_HEADER_BYTES or all
 * Source: NEP 1, numpy/lib/format.
 */
export function readNpyHeader(name: string, bytes: Buffer): NpyHeader {
  const refuse = (message: string) => new DomainError('INVALID', `${name} ${message}`)
  if (bytes.length < 12 || bytes.toString('latin1', 0, 6) !== MAGIC) {
    throw refuse('must be an .npy file: got other first bytes; save it with numpy.save')
  }
  const isLong = (bytes[6] as number) > 1
  const headerBytes = isLong ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8)
  const dataOffset = (isLong ? 12 : 10) + headerBytes
  if (dataOffset > bytes.length) throw refuse(`is cut short: its header alone needs ${dataOffset} bytes`)
  const header = bytes.toString('latin1', dataOffset - headerBytes, dataOffset)
  const dtype = /'descr':\s*'([^']+)'/.exec(header)?.[1]
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header)?.[1]
  if (dtype === undefined || shape === undefined) {
    throw refuse(`must hold one plain array: got the header ${header.trim()}`)
  }
  if (/'fortran_order':\s*True/.test(header)) {
    throw refuse('must be in C order: got Fortran order; save numpy.ascontiguousarray of it')
  }
  return { dtype, shape: shape.split(',').flatMap((part) => (part.trim() ? [Number(part)] : [])), dataOffset }
}
