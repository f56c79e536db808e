import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { type AblationRow, ablate } from '../engine/index.ts'
import { createControl } from './control.ts'
import { readLabelledRows } from './labelled-rows.ts'
import { wholeNumber } from './options.ts'
import { type Plot, svgPlots } from './plot.ts'
import { percent, print, table } from './print.ts'

interface AblateOptions {
  trainFeatures: string
  trainLabels: string
  testFeatures: string
  testLabels: string
  dim?: number
  k: number
  connectivityK: number
  seed: number
  plot?: string
  json?: boolean
}

export function addAblate(program: Command): void {
  program
    .command('ablate')
    .description("The paper's ablations: confidence designs, rho, connections a vertex keeps.")
    .requiredOption('--train-features <file>', 'embeddings to learn and tune on')
    .requiredOption('--train-labels <file>', 'their identities')
    .requiredOption('--test-features <file>', 'embeddings to score on, of other identities')
    .requiredOption('--test-labels <file>', 'their identities')
    .option('--dim <n>', 'columns of raw matrices', wholeNumber('--dim', 1))
    .option('--k <n>', 'neighbours of GCN-V and the trees, itself not counted', wholeNumber('--k', 1), 19)
    .option('--connectivity-k <n>', 'neighbours of GCN-E', wholeNumber('--connectivity-k', 1), 39)
    .option('--seed <n>', 'seed of everything random', wholeNumber('--seed', 0), 1)
    .option('--plot <file>', 'the curves as SVG')
    .option('--json', 'JSON on standard output')
    .addHelpText(
      'after',
      '\nExample:\n  tributary ablate --train-features a.f32 --train-labels a.i32 --test-features b.f32 --test-labels b.i32 --dim 256 --plot ablation.svg\n',
    )
    .action(run)
}

async function run(options: AblateOptions): Promise<void> {
  const { dim, k, connectivityK, seed } = options
  const train = await readLabelledRows(options.trainFeatures, options.trainLabels, dim)
  const test = await readLabelledRows(options.testFeatures, options.testLabels, dim)
  const { control, done } = createControl()
  try {
    const result = await ablate({ train, test, k, connectivityK, seed }, control)
    done()
    const parts: [string, readonly AblationRow[]][] = [
      ['Confidence design', result.confidence],
      ['Share of vertices given to GCN-E', result.rho],
      ['Connections a vertex keeps', result.connections],
    ]
    if (options.plot) await writeFile(options.plot, svgPlots(parts.map(([title, rows]) => plotOf(title, rows))))
    print(options.json, result, [
      ...parts.flatMap(([title, rows]) => [title, ...table(cellsOf(rows)), '']),
      ...(options.plot ? [`curves written to ${options.plot}`] : []),
    ])
  } finally {
    done()
  }
}

function cellsOf(rows: readonly AblationRow[]): string[][] {
  return [
    ['variant', 'tau', 'pairwise F', 'BCubed F', 'clusters', 'asked'],
    ...rows.map(({ variant, tau, pairwiseF, bcubedF, clusters, asked }) => [
      variant,
      tau.toFixed(2),
      percent(pairwiseF),
      percent(bcubedF),
      String(clusters),
      asked === undefined ? '' : String(asked),
    ]),
  ]
}

function plotOf(title: string, rows: readonly AblationRow[]): Plot {
  return {
    title,
    labels: rows.map(({ variant }) => variant),
    series: [
      { name: 'pairwise F', values: rows.map(({ pairwiseF }) => pairwiseF) },
      { name: 'BCubed F', values: rows.map(({ bcubedF }) => bcubedF) },
    ],
  }
}
