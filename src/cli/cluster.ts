import type { Command } from 'commander'
import { clusterVertices } from '../engine/index.ts'
import { createControl } from './control.ts'
import { readFeatures } from './feature-files.ts'
import { readLabels, writeLabels } from './label-files.ts'
import { methodName } from './method-names.ts'
import { readModel } from './model-folder.ts'
import { parameterPairs, wholeNumber } from './options.ts'
import { print } from './print.ts'

interface ClusterOptions {
  features: string
  dim?: number
  method: string
  model?: string
  labels?: string
  out: string
  set: string[]
  seed: number
  json?: boolean
}

export function addCluster(program: Command): void {
  program
    .command('cluster')
    .description('Cluster rows with any method.')
    .requiredOption('--features <file>', 'embeddings: .f32 or .bin with --dim, or .npy')
    .option('--dim <n>', 'columns of a raw matrix', wholeNumber('--dim', 1))
    .option('--method <name>', 'any method, or auto', 'auto')
    .option(
      '--model <folder>',
      'from tributary train; methods that learn need it, others take their parameters from it',
    )
    .option('--labels <file>', 'identities where known, below 0 elsewhere: auto without a model measures on them')
    .requiredOption('--out <file>', 'cluster of each row: .i32, .meta or .npy')
    .option('--set <name=value...>', 'parameters of the method, for example --set tau=0.6 k=79', [])
    .option('--seed <n>', 'seed of everything random', wholeNumber('--seed', 0), 1)
    .option('--json', 'the figures as JSON on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  tributary cluster --features test.f32 --dim 256 --out labels.i32\n' +
        '  tributary cluster --features test.f32 --dim 256 --method gcn-ve --model model --out labels.i32\n',
    )
    .action(run)
}

async function run(options: ClusterOptions): Promise<void> {
  const method = methodName(options.method)
  const parameters = parameterPairs(options.set)
  const features = await readFeatures(options.features, options.dim)
  const model = options.model ? await readModel(options.model) : undefined
  const labels = options.labels ? await readLabels(options.labels, features.rows) : undefined
  const { control, done } = createControl()
  try {
    const result = await clusterVertices({ features, method, model, labels, parameters, seed: options.seed }, control)
    done()
    await writeLabels(options.out, result.labels)
    const seconds = Object.fromEntries(result.phases.map((phase) => [phase.name, phase.seconds]))
    const peakBytes = Math.max(0, ...result.phases.map(({ peakRssBytes = 0 }) => peakRssBytes))
    const clusters = result.clusterSizes.length
    print(
      options.json,
      {
        out: options.out,
        rows: features.rows,
        clusters,
        seconds,
        peakBytes,
        parameters: result.parametersChosen,
        explanation: result.explanation,
        backend: result.backend,
      },
      [
        `${features.rows} rows in ${clusters} clusters`,
        result.explanation,
        Object.entries(seconds)
          .map(([name, value]) => `${name} ${value.toFixed(2)} s`)
          .join(', '),
        `labels written to ${options.out}`,
      ],
    )
  } finally {
    done()
  }
}
