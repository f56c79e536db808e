import { createHash } from 'node:crypto'
import { mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import type { RetrainMemory } from '../engine/index.ts'
import { UsageError } from './errors.ts'
import { writeWhole } from './model-folder.ts'

const OWNER = 'of.json'

export interface StepFiles extends RetrainMemory {
  /** Steps of an earlier process were found. */
  readonly isResumed: boolean
  forget(): Promise<void>
}

/**
 * Finished steps and checkpoints in a folder, each whole or not there, so that the same command goes on where it was killed.
 *
 * @param of what the steps follow from: data and options
 * @throws UsageError when the folder holds the steps of something else.
 */
export async function openStepFiles(folder: string, of: readonly (Uint8Array | string)[]): Promise<StepFiles> {
  const hash = createHash('sha256')
  for (const part of of) hash.update(`${part.length}:`).update(part)
  const fingerprint = hash.digest('hex')
  const at = (name: string) => path.join(folder, name)
  await mkdir(folder, { recursive: true })
  const former = await readIfThere(at(OWNER))
  if (former === undefined) await writeWhole(at(OWNER), Buffer.from(`${JSON.stringify({ fingerprint })}\n`))
  else if (JSON.parse(former.toString('utf8')).fingerprint !== fingerprint) {
    throw new UsageError(
      `${folder} holds steps of a retraining on other data or with other options: remove it to start anew, or take another --out`,
    )
  }
  return {
    isResumed: former !== undefined,
    async load(name) {
      const bytes = await readIfThere(at(name))
      return bytes && new Uint8Array(bytes)
    },
    save: (name, bytes) => writeWhole(at(name), bytes),
    forget: () => rm(folder, { recursive: true, force: true }),
  }
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
