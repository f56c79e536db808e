import { z } from 'zod'
import type { App } from './app.ts'
import type { ModelBundle, Preprocessing } from './embedder-port.ts'
import { DomainError } from './errors.ts'
import { openArchive } from './import-archive.ts'
import { extensionOf, type ImportFile, readWhole, storedFile } from './import-file.ts'

/** Models beyond this do not belong in the memory of a worker. */
const MAX_MODEL_BYTES = 1024 ** 3
const MAX_JSON_BYTES = 64 * 1024 ** 2

const refuse = (message: string) => new DomainError('INVALID', message)

const three = z.union([z.number(), z.tuple([z.number(), z.number(), z.number()])])
const pixels = z.number().int().min(8).max(2048)
const spread = (value: number | [number, number, number]): [number, number, number] =>
  typeof value === 'number' ? [value, value, value] : value

const preprocessingSchema = z
  .strictObject({
    width: pixels.optional(),
    height: pixels.optional(),
    channels: z.enum(['RGB', 'BGR']).default('RGB'),
    layout: z.enum(['NCHW', 'NHWC']).optional(),
    mean: three.default(0),
    std: three.default(255),
    output: z.string().optional(),
  })
  .refine(({ std }) => spread(std).every((value) => value !== 0), 'std must not be 0')
  .transform(({ mean, std, ...rest }): Preprocessing => ({ ...rest, mean: spread(mean), std: spread(std) }))

/** Values 0 to 1, RGB, in the size that the model says. */
const DEFAULTS: Preprocessing = preprocessingSchema.parse({})

async function readJson(file: ImportFile): Promise<unknown> {
  const text = (await readWhole(file, MAX_JSON_BYTES)).toString('utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw refuse(`${file.name} is no readable JSON: ${(error as Error).message}`)
  }
}

function parsePreprocessing(raw: unknown): Preprocessing {
  const parsed = preprocessingSchema.safeParse(raw)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw refuse(`embedder.json, ${issue?.path.join('.') || 'as a whole'}: ${issue?.message}`)
}

const modelJsonSchema = z.looseObject({
  format: z.enum(['graph-model', 'layers-model']).default('layers-model'),
  modelTopology: z.looseObject({}),
  weightsManifest: z.array(z.looseObject({ paths: z.array(z.string()) })),
})

/**
 * Reads a model file of the file store: an .onnx file, or a zip archive with either `model.json` and its weights as
 * TensorFlow.js saves them, or one .onnx file; beside it may lie `embedder.json`, which says how pictures become input.
 */
export async function readModelBundle(app: App, fileKey: string, fileName: string): Promise<ModelBundle> {
  const byteSize = await app.files.sizeOf(fileKey)
  if (byteSize === undefined) throw refuse(`the file of the model ${fileName} is no longer there: bring it in again`)
  const file = storedFile(app, fileName, fileKey, byteSize)
  if (extensionOf(fileName) === '.onnx') {
    return { kind: 'onnx', model: await readWhole(file, MAX_MODEL_BYTES), preprocessing: DEFAULTS }
  }
  if (extensionOf(fileName) !== '.zip') throw refuse(`a model must be an .onnx file or a .zip archive: got ${fileName}`)
  const archive = await openArchive(file, { maxUnpackedBytes: MAX_MODEL_BYTES })
  try {
    const files: ImportFile[] = []
    for await (const entry of archive.list?.() ?? []) files.push(entry)
    const described = files.find(({ name }) => name === 'embedder.json')
    const preprocessing = described ? parsePreprocessing(await readJson(described)) : DEFAULTS
    const onnx = files.filter(({ name }) => extensionOf(name) === '.onnx')
    const modelJson = files.find(({ name }) => name === 'model.json')
    if (modelJson && onnx.length === 0) {
      const raw = await readJson(modelJson)
      const parsed = modelJsonSchema.safeParse(raw)
      if (!parsed.success) {
        const [issue] = parsed.error.issues
        throw refuse(`model.json must be what TensorFlow.js saves: ${issue?.path.join('.')}: ${issue?.message}`)
      }
      const weights: Record<string, Uint8Array> = {}
      for (const name of parsed.data.weightsManifest.flatMap(({ paths }) => paths)) {
        const shard = await archive.find(name)
        if (!shard) throw refuse(`model.json names weights that are not in ${fileName}: ${name}`)
        weights[name] = await readWhole(shard, MAX_MODEL_BYTES)
      }
      return { kind: 'tfjs', modelJson: JSON.stringify(raw), weights, preprocessing }
    }
    const [only] = onnx
    if (!only || onnx.length > 1 || modelJson) {
      throw refuse(
        `${fileName} must hold either model.json with its weights or one .onnx file: got ${
          files
            .map(({ name }) => name)
            .slice(0, 5)
            .join(', ') || 'nothing'
        }`,
      )
    }
    return { kind: 'onnx', model: await readWhole(only, MAX_MODEL_BYTES), preprocessing }
  } finally {
    await archive.close?.()
  }
}
