import { Readable } from 'node:stream'
import { ZipFile } from 'yazl'
import type { Matrix, NeighbourLists } from '../engine/index.ts'
import { DomainError } from './errors.ts'
import type { ExportFormatWriter, ExportPart } from './export-format.ts'

/** As the reference's scripts name and read it; each item is its own first neighbour there. */
const K = 80
/** Exact neighbours of more items take hours; the reference's scripts make the file themselves where it is missing. */
const MAX_NEIGHBOUR_ROWS = 200_000

async function readMatrix({ rows }: ExportPart, count: number): Promise<Matrix> {
  let data: Float32Array | undefined
  let at = 0
  let cols = 0
  for await (const { embedding } of rows()) {
    if (!embedding) continue
    cols = embedding.length
    data ??= new Float32Array(count * cols)
    data.set(embedding, at)
    at += cols
  }
  return { data: (data ?? new Float32Array(0)).subarray(0, at), rows: cols === 0 ? 0 : at / cols, cols }
}

function npyHeader(shape: readonly number[]): Buffer {
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`
  const padded = `${dictionary.padEnd(64 * Math.ceil((dictionary.length + 11) / 64) - 11, ' ')}\n`
  const head = Buffer.alloc(10)
  head.write('\u0093NUMPY', 'latin1')
  head[6] = 1
  head.writeUInt16LE(padded.length, 8)
  return Buffer.concat([head, Buffer.from(padded, 'latin1')])
}

/** `data` of the shape (n, 2, k): ids of neighbours, and their distances, 1 - cosine. */
function* neighbourBytes({ ids, similarities, k }: NeighbourLists, n: number): Generator<Buffer> {
  const width = Math.min(K, n)
  yield npyHeader([n, 2, width])
  for (let i = 0; i < n; i++) {
    const row = new Float32Array(2 * width)
    row[0] = i
    for (let j = 1; j < width; j++) {
      row[j] = ids[i * k + j - 1] as number
      row[width + j] = 1 - (similarities[i * k + j - 1] as number)
    }
    yield Buffer.from(row.buffer)
  }
}

/**
 * learn-to-cluster: `.meta` has one integer a line, `.bin` raw little-endian float32 rows in the same order,
 * `.faiss_k_80.npz` the 80 nearest neighbours as its scripts keep them; `.keys.txt` says which item each row is. All in one
 * part, for labels count through the whole.
 */
export const learnToClusterWriter: ExportFormatWriter = {
  rowsPerPart: Number.MAX_SAFE_INTEGER,
  needsEmbeddings: true,
  async *write(part) {
    const { app, version, stem, rows, signal } = part
    async function* meta() {
      const numbers = new Map<string, number>()
      for await (const { identityId } of rows()) {
        const number = numbers.get(identityId) ?? numbers.size
        numbers.set(identityId, number)
        yield `${number}\n`
      }
    }
    async function* features() {
      for await (const { externalKey, embedding } of rows()) {
        if (!embedding) {
          throw new DomainError(
            'INVALID_STATE',
            `every item must have an embedding for LEARN_TO_CLUSTER: ${externalKey} has none in the space of version ${version.tag}; name what embeds pictures (setEmbedder), exclude it, or take another format`,
          )
        }
        yield Buffer.from(embedding.buffer, embedding.byteOffset, embedding.byteLength)
      }
    }
    async function* keys() {
      for await (const { externalKey } of rows()) yield `${externalKey}\n`
    }
    yield { name: `${stem}.bin`, content: Readable.from(features()) }
    yield { name: `${stem}.meta`, content: Readable.from(meta()) }
    yield { name: `${stem}.keys.txt`, content: Readable.from(keys()) }
    const { itemCount } = version
    if (itemCount < 2 || itemCount > MAX_NEIGHBOUR_ROWS) return
    const matrix = await readMatrix(part, itemCount)
    const lists = await app.engine.neighbours({ x: matrix, k: Math.min(K, matrix.rows) - 1 }, { signal })
    const zip = new ZipFile()
    zip.addReadStream(Readable.from(neighbourBytes(lists, matrix.rows)), 'data.npy')
    zip.end()
    yield { name: `${stem}.faiss_k_${K}.npz`, content: zip.outputStream as unknown as Readable }
  },
}
