import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { CompareInput, CompareMemory } from '../engine/index.ts'
import { writeWhole } from './model-folder.ts'

/** Parts of a comparison as files of a folder; those of other data or methods lie beside them and are not looked at. */
export async function openMemory(
  folder: string,
  { train, test, methods }: Pick<CompareInput, 'train' | 'test' | 'methods'>,
): Promise<CompareMemory> {
  const hash = createHash('sha256').update(JSON.stringify(methods ?? 'all'))
  for (const { data } of [train.features, test.features]) hash.update(bytesOf(data))
  for (const { labels } of [train, test]) hash.update(bytesOf(labels))
  const own = path.join(folder, hash.digest('hex').slice(0, 12))
  await mkdir(own, { recursive: true })
  return {
    async recall(name) {
      try {
        return await readFile(path.join(own, name))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    keep: (name, bytes) => writeWhole(path.join(own, name), bytes),
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Int32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength)
