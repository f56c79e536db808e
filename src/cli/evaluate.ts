import type { Command } from 'commander'
import { evaluateClustering } from '../engine/index.ts'
import { readLabels } from './label-files.ts'
import { percent, print, table } from './print.ts'

export function addEvaluate(program: Command): void {
  program
    .command('evaluate')
    .description('Score clusters against the truth.')
    .requiredOption('--pred <file>', 'cluster of each row: .i32, .meta or .npy; below 0 = a cluster of its own')
    .requiredOption('--labels <file>', 'identity of each row; below 0 = not known, left out')
    .option('--json', 'the scores as JSON on standard output')
    .addHelpText('after', '\nExample:\n  tributary evaluate --pred labels.i32 --labels test.i32\n')
    .action(run)
}

async function run({ pred, labels, json }: { pred: string; labels: string; json?: boolean }): Promise<void> {
  const truth = await readLabels(labels)
  const scores = evaluateClustering(await readLabels(pred, truth.length), truth)
  const line = (name: string, { precision, recall, f }: typeof scores.pairwise) => [
    name,
    percent(precision),
    percent(recall),
    percent(f),
  ]
  print(json, scores, [
    ...table([['', 'precision', 'recall', 'F'], line('pairwise', scores.pairwise), line('BCubed', scores.bcubed)]),
    '',
    ...table([
      ['NMI (arithmetic)', percent(scores.nmi)],
      ['NMI (geometric)', percent(scores.nmiGeometric)],
      ['adjusted Rand index', percent(scores.ari)],
      ['purity', percent(scores.purity)],
      ['clicks an image', scores.clicksPerImage.toFixed(3)],
      ['clusters', String(scores.clusters)],
      ['classes', String(scores.classes)],
      ['rows scored', String(scores.n)],
    ]),
  ])
}
