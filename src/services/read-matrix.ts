import { DomainError } from './errors.ts'
import { type ImportFile, type ImportFolder, readRange } from './import-file.ts'
import { type BrokenRow, type ManifestRow, problemOfText } from './manifest.ts'
import { NPY_HEADER_BYTES, readNpyHeader } from './npy-header.ts'
import { textLines } from './text-lines.ts'

/** Bytes that are turned into rows at once. */
const BLOCK_BYTES = 4 * 1024 ** 2

interface MatrixLayout {
  readonly rows: number
  readonly cols: number
  readonly bytesAValue: 2 | 4 | 8
  readonly dataOffset: number
}

const FLOATS: Record<string, 2 | 4 | 8> = { '<f2': 2, '<f4': 4, '<f8': 8 }

const refuse = (message: string) => new DomainError('INVALID', message)

async function npyLayout(file: ImportFile, dimension: number): Promise<MatrixLayout> {
  const { dtype, shape, dataOffset } = readNpyHeader(
    file.name,
    await readRange(file, 0, Math.min(NPY_HEADER_BYTES, file.byteSize)),
  )
  const bytesAValue = FLOATS[dtype]
  if (!bytesAValue) {
    throw refuse(`${file.name} must hold float16, float32 or float64 (${Object.keys(FLOATS).join(', ')}): got ${dtype}`)
  }
  const [rows, cols] = shape as [number, number]
  if (shape.length !== 2) throw refuse(`${file.name} must be a matrix: got the shape (${shape.join(', ')})`)
  if (cols !== dimension) {
    throw refuse(
      `${file.name} must have ${dimension} columns, the project's dimension: got the shape (${rows}, ${cols})`,
    )
  }
  const expected = dataOffset + rows * cols * bytesAValue
  if (file.byteSize < expected) {
    const whole = Math.floor(Math.max(0, file.byteSize - dataOffset) / (cols * bytesAValue))
    throw refuse(
      `${file.name} is cut short in row ${whole + 1} of ${rows}: got ${file.byteSize} bytes, expected ${expected}`,
    )
  }
  return { rows, cols, bytesAValue, dataOffset }
}

function rawLayout({ name, byteSize }: ImportFile, dimension: number): MatrixLayout {
  const rowBytes = 4 * dimension
  if (byteSize === 0 || byteSize % rowBytes !== 0) {
    throw refuse(
      `${name} must hold whole rows of ${dimension} float32 values, the project's dimension: got ${byteSize} bytes, which is no multiple of ${rowBytes}`,
    )
  }
  return { rows: byteSize / rowBytes, cols: dimension, bytesAValue: 4, dataOffset: 0 }
}

/** IEEE 754 half precision. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Little-endian values as float32; `bytes` may begin anywhere in its buffer. */
function toFloat32(bytes: Buffer, bytesAValue: 2 | 4 | 8): Float32Array {
  // A copy of its own: aligned, and free of the stream's pool.
  const { buffer } = new Uint8Array(bytes)
  if (bytesAValue === 4) return new Float32Array(buffer)
  if (bytesAValue === 8) return Float32Array.from(new Float64Array(buffer))
  return Float32Array.from(new Uint16Array(buffer), halfToFloat)
}

/** One value a row, read beside the matrix. */
interface Companion {
  readonly file: ImportFile
  values(): AsyncGenerator<string>
}

const textCompanion = (file: ImportFile): Companion => ({
  file,
  values: async function* () {
    yield* textLines(await file.open(), file.name)
  },
})

/** Integer labels of an .npy vector, as text. */
async function npyCompanion(file: ImportFile): Promise<Companion> {
  const { dtype, shape, dataOffset } = readNpyHeader(
    file.name,
    await readRange(file, 0, Math.min(NPY_HEADER_BYTES, file.byteSize)),
  )
  if (shape.length !== 1 || (dtype !== '<i4' && dtype !== '<i8')) {
    throw refuse(`${file.name} must be a vector of int32 or int64: got ${dtype} of the shape (${shape.join(', ')})`)
  }
  const size = dtype === '<i4' ? 4 : 8
  return {
    file,
    values: async function* () {
      const step = BLOCK_BYTES / size
      for (let from = 0; from < (shape[0] as number); from += step) {
        const to = Math.min(from + step, shape[0] as number)
        const bytes = await readRange(file, dataOffset + from * size, dataOffset + to * size)
        for (let at = 0; at < bytes.length; at += size) {
          yield String(size === 4 ? bytes.readInt32LE(at) : bytes.readBigInt64LE(at))
        }
      }
    },
  }
}

async function findCompanion(folder: ImportFolder, names: readonly string[]): Promise<Companion | undefined> {
  for (const name of names) {
    const file = await folder.find(name)
    if (file) return name.endsWith('.npy') ? npyCompanion(file) : textCompanion(file)
  }
  return undefined
}

/** Refuses a companion of another length before the first row is stored. */
async function checkLength(
  { file, values }: Companion,
  rows: number,
  matrix: ImportFile,
  { mayBeEmpty }: { mayBeEmpty: boolean },
): Promise<void> {
  let count = 0
  for await (const _value of values()) count++
  if (count !== rows) {
    const hint = mayBeEmpty && count === rows - 1 ? '; a last line that is empty needs its line break too' : ''
    throw refuse(`${file.name} must have one line a row of ${matrix.name}: got ${count}, expected ${rows}${hint}`)
  }
}

/**
 * Rows of a matrix file: .npy, or raw little-endian float32 (.bin, .f32). Beside `x.npy` may lie
 *
 * - `x.keys.txt` or `keys.txt`: one key a line; without it the keys are `x/0`, `x/1` and so on
 * - `x.meta`: one whole number a line (learn-to-cluster), or `x.labels.npy`; label 12 becomes `x/12`, for each file counts
 *   anew, and a negative number is no label
 * - `x.labels.txt` or `labels.txt`: one label a line, taken as it stands; an empty line is no label
 * - `x.images.txt`: one picture a line
 *
 * The vectors are views of a block: nothing is parsed or copied row by row.
 */
export async function openMatrix(file: ImportFile, folder: ImportFolder, dimension: number) {
  const layout = file.name.endsWith('.npy') ? await npyLayout(file, dimension) : rawLayout(file, dimension)
  const stem = file.name.replace(/\.[^.]+$/, '')
  const inFolder = (name: string) => file.name.replace(/[^/]*$/, name)
  const keys = await findCompanion(folder, [`${stem}.keys.txt`, inFolder('keys.txt')])
  const numbers = await findCompanion(folder, [`${stem}.meta`, `${stem}.labels.npy`])
  const names = await findCompanion(folder, [`${stem}.labels.txt`, inFolder('labels.txt')])
  const images = await findCompanion(folder, [`${stem}.images.txt`])
  for (const companion of [keys, numbers, names, images]) {
    const mayBeEmpty = companion === names || companion === images
    if (companion) await checkLength(companion, layout.rows, file, { mayBeEmpty })
  }
  const base = stem.split('/').at(-1) as string
  return {
    total: layout.rows,
    read: (after: number) => readRows(file, layout, { keys, numbers, names, images, base }, after),
  }
}

interface Companions {
  readonly keys?: Companion
  readonly numbers?: Companion
  readonly names?: Companion
  readonly images?: Companion
  readonly base: string
}

/** The next value of each companion; undefined where there is none. */
function open({ keys, numbers, names, images }: Companions) {
  const iterators = [keys, numbers, names, images].map((companion) => companion?.values())
  return async () => {
    const next: (string | undefined)[] = []
    for (const iterator of iterators) next.push(iterator && ((await iterator.next()).value as string | undefined))
    return next as [string?, string?, string?, string?]
  }
}

async function* readRows(
  file: ImportFile,
  { rows, cols, bytesAValue, dataOffset }: MatrixLayout,
  companions: Companions,
  after: number,
): AsyncGenerator<ManifestRow | BrokenRow> {
  const { base } = companions
  const next = open(companions)
  for (let i = 0; i < after; i++) await next()
  const rowBytes = cols * bytesAValue
  const rowsABlock = Math.max(1, Math.floor(BLOCK_BYTES / rowBytes))
  for (let from = after; from < rows; from += rowsABlock) {
    const to = Math.min(from + rowsABlock, rows)
    const bytes = await readRange(file, dataOffset + from * rowBytes, dataOffset + to * rowBytes)
    const block = toFloat32(bytes, bytesAValue)
    for (let i = from; i < to; i++) {
      const [key = `${base}/${i}`, number, name, image] = await next()
      const row = i + 1
      if (number !== undefined && !/^\s*-?\d+\s*$/.test(number)) {
        yield { row, externalKey: key, problem: `the label must be a whole number: got ${JSON.stringify(number)}` }
        continue
      }
      const label = name?.trim() || (number && !number.includes('-') ? `${base}/${number.trim()}` : undefined)
      const problem = problemOfText('externalKey', key) ?? (label && problemOfText('label', label))
      if (problem) {
        yield { row, problem }
        continue
      }
      const at = (i - from) * cols
      yield {
        row,
        externalKey: key,
        embedding: block.subarray(at, at + cols),
        ...(label && { label }),
        ...(image && { image }),
      }
    }
  }
}
