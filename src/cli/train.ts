import type { Command } from 'commander'
import { type PresetName, presetNames, trainClusteringModel } from '../engine/index.ts'
import { createControl } from './control.ts'
import { readLabelledRows } from './labelled-rows.ts'
import { methodName } from './method-names.ts'
import { writeModel } from './model-folder.ts'
import { wholeNumber } from './options.ts'
import { print } from './print.ts'

interface TrainOptions {
  features: string
  dim?: number
  labels: string
  method: string
  out: string
  embedder: string
  preset?: string
  epochs?: number
  seed: number
  json?: boolean
}

export function addTrain(program: Command): void {
  program
    .command('train')
    .description('Learn a clustering model from labelled rows.')
    .requiredOption('--features <file>', 'embeddings: .f32 or .bin with --dim, or .npy')
    .option('--dim <n>', 'columns of a raw matrix', wholeNumber('--dim', 1))
    .requiredOption(
      '--labels <file>',
      'one integer a row: .i32, .meta or .npy; below 0 = not known: only keeps company',
    )
    .option('--method <name>', 'auto, gcn-v, gcn-ve, or another method that learns', 'auto')
    .requiredOption('--out <folder>', 'where the model goes')
    .option('--preset <name>', `published constants instead of learnt ones: ${presetNames.join(', ')}`)
    .option('--epochs <n>', 'passes of GCN-V: the released recipes are 20,000 and more', wholeNumber('--epochs', 1))
    .option('--embedder <name>', 'what made the embeddings; kept in the model', 'unknown')
    .option('--seed <n>', 'seed of everything random', wholeNumber('--seed', 0), 1)
    .option('--json', 'the report as JSON on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  tributary train --features train.f32 --dim 256 --labels train.i32 --out model\n' +
        '  tributary train --features train.f32 --dim 256 --labels train.i32 --method gcn-ve --out model\n' +
        '  tributary train --features train.f32 --dim 256 --labels train.i32 --preset released-fashion --epochs 550 --out model\n',
    )
    .action(run)
}

async function run({
  features,
  dim,
  labels,
  method,
  out,
  embedder,
  preset,
  epochs,
  seed,
  json,
}: TrainOptions): Promise<void> {
  const name = methodName(method)
  const rows = await readLabelledRows(features, labels, dim)
  const { control, done } = createControl()
  try {
    const parameters = {
      connectivity: name !== 'GCN_V',
      ...(preset !== undefined && { preset: preset as PresetName }),
      ...(epochs !== undefined && { gcnV: { epochs } }),
      ...(name !== 'AUTO' && { contenders: name === 'GCN_V' || name === 'GCN_VE' ? [] : [name] }),
    }
    const { model, report, lossCurve } = await trainClusteringModel(
      { ...rows, embedderId: embedder, seed, parameters, inCompany: true },
      control,
    )
    done()
    const choice = name === 'AUTO' ? model.choice : undefined
    await writeModel(out, model, { ...report, choice, lossCurve })
    const phases = Object.fromEntries(report.phases.map((phase) => [phase.name, phase.seconds]))
    print(
      json,
      {
        out,
        images: report.images,
        identities: report.identities,
        company: report.company,
        heldOut: report.heldOut,
        choice,
        seconds: phases,
        backend: report.backend,
        explanation: report.explanation,
      },
      [
        `${report.images} images of ${report.identities} identities, in ${total(phases)} s`,
        report.explanation,
        ...(choice ? [choice.explanation] : []),
        `model written to ${out}`,
      ],
    )
  } finally {
    done()
  }
}

const total = (phases: Record<string, number>) =>
  Object.values(phases)
    .reduce((a, b) => a + b, 0)
    .toFixed(1)
