import type { Command } from 'commander'
import { decodeRecognitionModel, embedSamples, type RecognitionModel, type Samples } from '../engine/index.ts'
import { createControl } from './control.ts'
import { UsageError } from './errors.ts'
import { readFeatures } from './feature-files.ts'
import { readWeights, writeWhole } from './model-folder.ts'
import { wholeNumber } from './options.ts'
import { type ReadPixels, readPictureFolder, type UnreadablePicture } from './picture-folder.ts'
import { print } from './print.ts'
import { RECOGNITION_FILE } from './retrain-output.ts'

interface EmbedOptions {
  model: string
  images?: string
  features?: string
  dim?: number
  out: string
  json?: boolean
}

/** @param readPixels decodes pictures: an adapter that the entry point hands in */
export function addEmbed(program: Command, readPixels: ReadPixels): void {
  program
    .command('embed')
    .description('Embed pictures or vectors with a recognition model.')
    .requiredOption('--model <folder>', 'from tributary retrain')
    .option('--images <folder>', 'pictures, in any folders; rows are in the order of their paths')
    .option('--features <file>', 'vectors, for a model that was trained on such: .f32 or .bin with --dim, or .npy')
    .option('--dim <n>', 'columns of a raw matrix', wholeNumber('--dim', 1))
    .requiredOption('--out <file>', 'the embeddings, raw float32 rows of unit length (.f32)')
    .option('--json', 'rows and columns as JSON on standard output')
    .addHelpText('after', '\nExample:\n  tributary embed --model model --images new --out new.f32\n')
    .action((options: EmbedOptions) => run(options, readPixels))
}

async function run(options: EmbedOptions, readPixels: ReadPixels): Promise<void> {
  const { out, json } = options
  const model = await readRecognitionModel(options.model)
  const { control, done } = createControl()
  try {
    const { samples, files, unreadable } = await readSamples(options, model, readPixels, control)
    const { data, rows, cols } = await embedSamples(model, samples, control)
    done()
    await writeWhole(out, Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    print(json, { out, rows, cols, files, unreadable }, [
      `${rows} rows of ${cols} values written to ${out}`,
      ...unreadable.map(({ file, problem }) => `left out: ${file}: ${problem}`),
    ])
  } finally {
    done()
  }
}

async function readRecognitionModel(at: string): Promise<RecognitionModel> {
  const bytes = await readWeights(at, RECOGNITION_FILE)
  if (bytes) return decodeRecognitionModel(bytes)
  throw new UsageError(`no recognition model at ${at}: expected a folder that \`tributary retrain --out\` has made`)
}

async function readSamples(
  { images, features, dim }: EmbedOptions,
  { shape: { input } }: RecognitionModel,
  readPixels: ReadPixels,
  control: ReturnType<typeof createControl>['control'],
): Promise<{ samples: Samples; files?: readonly string[]; unreadable: readonly UnreadablePicture[] }> {
  const isOfPictures = input.length === 3
  if (isOfPictures && images !== undefined) {
    const { files, data, unreadable } = await readPictureFolder(images, input[0], readPixels, control)
    return { samples: { data, count: files.length, shape: input }, files, unreadable }
  }
  if (!isOfPictures && features !== undefined) {
    const { data, rows, cols } = await readFeatures(features, dim ?? input[0])
    return { samples: { data, count: rows, shape: [cols] }, unreadable: [] }
  }
  throw new UsageError(
    isOfPictures
      ? 'the model looks at pictures: --images is needed'
      : `the model looks at vectors of ${input[0]} values: --features is needed`,
  )
}
