import type { Command } from 'commander'
import { type CompareRow, compareMethods } from '../engine/index.ts'
import { openMemory } from './compare-memory.ts'
import { createControl } from './control.ts'
import { UsageError } from './errors.ts'
import { readLabelledRows } from './labelled-rows.ts'
import { methodName } from './method-names.ts'
import { list, wholeNumber } from './options.ts'
import { markdownTable, percent, print, table } from './print.ts'

interface CompareOptions {
  trainFeatures: string
  trainLabels: string
  testFeatures: string
  testLabels: string
  dim?: number
  methods?: string[]
  seeds: number
  resume?: string
  json?: boolean
  markdown?: boolean
}

export function addCompare(program: Command): void {
  program
    .command('compare')
    .description('Train and tune every method on one labelled set, score it on another.')
    .requiredOption('--train-features <file>', 'embeddings to learn and tune on')
    .requiredOption('--train-labels <file>', 'their identities')
    .requiredOption('--test-features <file>', 'embeddings to score on, of other identities')
    .requiredOption('--test-labels <file>', 'their identities')
    .option('--dim <n>', 'columns of raw matrices', wholeNumber('--dim', 1))
    .option('--methods <names>', 'comma-separated; default all', list)
    .option('--seeds <n>', 'runs of everything random, of which the mean is shown', wholeNumber('--seeds', 1), 3)
    .option('--resume <folder>', 'keep what is done in this folder, and go on from what it holds of the same files')
    .option('--json', 'JSON on standard output')
    .option('--markdown', 'a Markdown table')
    .addHelpText(
      'after',
      '\nExample:\n  tributary compare --train-features a.f32 --train-labels a.i32 --test-features b.f32 --test-labels b.i32 --dim 256 --methods auto,gcn-ve,infomap\n',
    )
    .action(run)
}

async function run(options: CompareOptions): Promise<void> {
  if (options.json && options.markdown) throw new UsageError('--json and --markdown: choose one')
  const methods = options.methods?.map(methodName)
  const train = await readLabelledRows(options.trainFeatures, options.trainLabels, options.dim)
  const test = await readLabelledRows(options.testFeatures, options.testLabels, options.dim)
  const { control, done } = createControl()
  try {
    const seeds = Array.from({ length: options.seeds }, (_, i) => i + 1)
    const memory = options.resume ? await openMemory(options.resume, { train, test, methods }) : undefined
    const result = await compareMethods({ train, test, methods, seeds, memory }, control)
    done()
    const cells = rowsOf(result.rows)
    print(options.json, result, [
      ...(options.markdown ? markdownTable(cells) : table(cells)),
      '',
      ...result.choices.map(
        ({ seed, explanation }) => `${options.markdown ? '- ' : ''}auto, seed ${seed}: ${explanation}`,
      ),
      ...result.leftOut.map(({ title, reason }) => `${options.markdown ? '- ' : ''}left out: ${title}: ${reason}`),
      ...(options.markdown ? [''] : []),
      `Training and tuning of everything took ${result.trainingSeconds.toFixed(0)} s a seed.`,
    ])
  } finally {
    done()
  }
}

function rowsOf(rows: readonly CompareRow[]): string[][] {
  const triple = ({ precision, recall, f }: CompareRow['scores']['pairwise']) =>
    `${percent(precision)} / ${percent(recall)} / ${percent(f)}`
  return [
    ['method', 'parameters', 'clusters', 'pairwise P/R/F', 'BCubed P/R/F', 'NMI', 'mean F', 's'],
    ...rows.map((row) => [
      row.title + (row.note ? ` (${row.note})` : ''),
      Object.entries(row.parameters)
        .map(([name, value]) => `${name}=${typeof value === 'number' ? Number(value.toFixed(3)) : value}`)
        .join(' '),
      row.scores.clusters.toFixed(0),
      triple(row.scores.pairwise),
      triple(row.scores.bcubed),
      percent(row.scores.nmi),
      percent(row.meanF) + (row.seeds > 1 ? ` (${percent(row.spread[0])}-${percent(row.spread[1])})` : ''),
      row.seconds.toFixed(2),
    ]),
  ]
}
