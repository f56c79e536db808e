import path from 'node:path'
import type { Command } from 'commander'
import {
  chooseAcrossSpaces,
  clusterVertices,
  embedSamples,
  type MarginHead,
  type RetrainOutput,
  type RetrainSteps,
  retrain,
  trainClusteringModel,
  trainRecognition,
} from '../engine/index.ts'
import { createControl } from './control.ts'
import { refuseFullDisk } from './full-disk.ts'
import { methodName } from './method-names.ts'
import { numberBetween, oneOf, wholeNumber } from './options.ts'
import { timePhases } from './phase-times.ts'
import type { ReadPixels } from './picture-folder.ts'
import { print } from './print.ts'
import { writeRetrained } from './retrain-output.ts'
import { type RetrainRows, type RetrainSources, readRetrainRows } from './retrain-rows.ts'
import { openStepFiles } from './step-files.ts'

interface RetrainOptions extends RetrainSources {
  method: string
  minSize: number
  minProbability: number
  steps?: number
  head: MarginHead['kind']
  learningRate?: number
  seed: number
  out: string
  json?: boolean
}

const HEADS = ['cosface', 'arcface', 'softmax'] as const
const STEPS_FOLDER = 'steps'

/** The engine's own computations, in this process. */
const steps: RetrainSteps = {
  trainRecognition,
  embed: ({ model, samples }, control) => embedSamples(model, samples, control),
  train: trainClusteringModel,
  choose: chooseAcrossSpaces,
  cluster: clusterVertices,
}

/** @param readPixels decodes pictures: an adapter that the entry point hands in */
export function addRetrain(program: Command, readPixels: ReadPixels): void {
  program
    .command('retrain')
    .description('Turn unlabelled rows into training data: train, cluster, train again on labels and pseudo-labels.')
    .option('--images <folder>', 'labelled pictures, one folder a label')
    .option('--unlabelled-images <folder>', 'pictures without a label, in any folders')
    .option('--edge <n>', 'pictures are shrunk to so many pixels', wholeNumber('--edge', 8), 32)
    .option('--features <file>', 'given vectors instead of pictures: .f32 or .bin with --dim, or .npy')
    .option('--dim <n>', 'columns of a raw matrix', wholeNumber('--dim', 1))
    .option('--labels <file>', 'one integer a row of --features: .i32, .meta or .npy; below 0 = not known')
    .option('--unlabelled-features <file>', 'more vectors, all without a label')
    .option('--method <name>', 'what clusters the unlabelled rows: any method, or auto', 'auto')
    .option('--min-size <n>', 'smaller clusters are left out', wholeNumber('--min-size', 1), 2)
    .option(
      '--min-probability <p>',
      'links of a smaller calibrated probability are cut first',
      numberBetween('--min-probability', 0, 1),
      0,
    )
    .option('--steps <n>', 'of each of the two trainings; default by the number of rows', wholeNumber('--steps', 1))
    .option('--head <name>', `margin head: ${HEADS.join(', ')}`, oneOf('--head', HEADS), 'cosface')
    .option('--learning-rate <x>', 'lower it where a training runs away', numberBetween('--learning-rate', 1e-8, 1))
    .option('--seed <n>', 'seed of everything random', wholeNumber('--seed', 0), 1)
    .requiredOption('--out <folder>', 'where models, embeddings, pseudo-labels and the report go')
    .option('--json', 'the report as JSON on standard output')
    .addHelpText(
      'after',
      '\nKilled or stopped, the same command goes on where it was. Exactly one of --images and --features must be given.\n' +
        '\nExamples:\n  tributary retrain --images labelled --unlabelled-images more --out model\n' +
        '  tributary retrain --features x.f32 --dim 256 --labels y.i32 --unlabelled-features more.f32 --out model\n' +
        '  tributary retrain --features x.npy --labels y.npy --method infomap --min-size 3 --min-probability 0.7 --out model\n',
    )
    .action((options: RetrainOptions) => run(options, readPixels))
}

async function run(options: RetrainOptions, readPixels: ReadPixels): Promise<void> {
  const { out, json, method, minSize, minProbability, head, learningRate, seed } = options
  const asked = { method: methodName(method), minSize, minProbability, steps: options.steps, head, learningRate, seed }
  const { control: shown, done } = createControl()
  const { control, seconds } = timePhases(shown)
  try {
    const rows = await readRetrainRows(options, readPixels, control)
    const { samples, labels } = rows
    const memory = await openStepFiles(path.join(out, STEPS_FOLDER), [
      new Uint8Array(samples.data.buffer, samples.data.byteOffset, samples.data.byteLength),
      Int32Array.from(labels).join(),
      JSON.stringify([samples.shape, asked]),
    ])
    const output = await retrain(
      {
        samples,
        labels,
        method: asked.method,
        choices: { minSize, minProbability },
        recipe: {
          ...(options.steps !== undefined && { steps: options.steps }),
          ...(learningRate !== undefined && { learningRate }),
          head: { kind: head },
        },
        seed,
      },
      steps,
      control,
      memory,
    )
    const firstEmbeddings = await embedSamples(output.first, samples, control)
    const finalEmbeddings = await embedSamples(output.final, samples, control)
    done()
    const report = reportOf(out, rows, output, memory.isResumed, seconds())
    await writeRetrained(out, { ...output, rows, firstEmbeddings, finalEmbeddings, report })
    await memory.forget()
    print(json, report, linesOf(out, rows, output, report.seconds))
  } catch (error) {
    throw refuseFullDisk(error, out)
  } finally {
    done()
  }
}

function reportOf(
  out: string,
  { unreadable }: RetrainRows,
  { report, final, lossCurve }: RetrainOutput,
  isResumed: boolean,
  seconds: Record<string, number>,
) {
  return { out, dimension: final.shape.embedding, ...report, unreadable, isResumed, seconds, lossCurve }
}

function linesOf(
  out: string,
  { unreadable }: RetrainRows,
  { report }: RetrainOutput,
  seconds: Record<string, number>,
): string[] {
  const { heldOut, labelled } = report
  return [
    report.sentence,
    report.explanation,
    ...(heldOut ? [] : [`${labelled.identities} identities are too few to hold any out: trained to the end`]),
    ...(unreadable.length > 0
      ? [`${unreadable.length} pictures were left out, the first: ${unreadable[0].file}: ${unreadable[0].problem}`]
      : []),
    Object.entries(seconds)
      .map(([name, value]) => `${name} ${value.toFixed(1)} s`)
      .join(', '),
    `models, embeddings and pseudo-labels written to ${out}`,
  ]
}
