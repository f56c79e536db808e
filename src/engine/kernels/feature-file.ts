import { EngineError } from '../errors.ts'
import type { Matrix } from '../types.ts'
import type { FeatureStore } from './contract.ts'
import { fileSystem } from './node-host.ts'

/** `fs.read` takes at most 2 GiB at once. */
const BYTES_A_READ = 2 ** 30

/** The rows in memory; reads a file whole. */
export async function readStore(store: FeatureStore): Promise<Matrix> {
  if ('data' in store) return store
  const { file, rows, cols, offsetBytes = 0 } = store
  const data = new Float32Array(rows * cols)
  const bytes = new Uint8Array(data.buffer)
  const handle = await fileSystem().open(file, 'r')
  try {
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(BYTES_A_READ, bytes.length - at), offsetBytes + at)
      if (bytesRead === 0) throw shortFile(store, offsetBytes + at)
      at += bytesRead
    }
  } finally {
    await handle.close()
  }
  return { data, rows, cols }
}

export function shortFile(
  store: { file: string; rows: number; cols: number; offsetBytes?: number },
  sizeBytes: number,
) {
  const expected = (store.offsetBytes ?? 0) + store.rows * store.cols * 4
  return new EngineError(
    'SHAPE_MISMATCH',
    `${store.file} must hold ${store.rows} rows of ${store.cols} float32: got ${sizeBytes} bytes, expected ${expected}`,
  )
}
