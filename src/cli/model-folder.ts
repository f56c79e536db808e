import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type ClusteringModel, decodeModel, encodeModel } from '../engine/index.ts'
import { UsageError } from './errors.ts'

const MODEL_FILE = 'model.weights'
const REPORT_FILE = 'report.json'

/** The model and what its training found, each written whole or not at all. */
export async function writeModel(folder: string, model: ClusteringModel, report: object): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeWhole(path.join(folder, MODEL_FILE), encodeModel(model))
  await writeWhole(path.join(folder, REPORT_FILE), Buffer.from(`${JSON.stringify(report, null, 2)}\n`))
}

/** @param at the folder, or the weights file itself */
export async function readModel(at: string): Promise<ClusteringModel> {
  const bytes = await readWeights(at, MODEL_FILE)
  if (bytes) return decodeModel(bytes)
  throw new UsageError(`no model at ${at}: expected a folder that \`tributary train --out\` has made`)
}

/** @returns undefined where neither the folder holds the file nor `at` is one */
export async function readWeights(at: string, name: string): Promise<Uint8Array | undefined> {
  for (const file of [path.join(at, name), at]) {
    try {
      return await readFile(file)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EISDIR') throw error
    }
  }
  return undefined
}

/** Whole or not at all: what a full disk has cut short is removed. */
export async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(`${file}.part`, bytes)
    await rename(`${file}.part`, file)
  } catch (error) {
    await rm(`${file}.part`, { force: true })
    throw error
  }
}
