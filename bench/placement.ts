/**
 * An incremental run against a full one: time, and pairwise and BCubed F, for 1 % of new items drawn at random.
 * Usage: npx tsx bench/placement.ts [--rows N] [--share 0.01] [--method INFOMAP] [--json]
 * Synthetic rows (long-tail classes), the demo's set, and the labelled sets of ../shared/data where they are there.
 */
import { parseArgs } from 'node:util'
import { loadDemoSet } from '../prisma/seed/demo-set.ts'
import {
  type ClusterResult,
  clusterVertices,
  evaluateClustering,
  type Labels,
  type PlacementBase,
  placeVertices,
} from '../src/engine/index.ts'
import { selectRows } from '../src/engine/knn/sub-lists.ts'
import { createRng } from '../src/engine/rng.ts'
import { createStopwatch } from './clock.ts'
import { syntheticFeatures } from './features.ts'
import { hasLabelledSet, type LabelledRows, loadLabelledSet } from './labelled-sets.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '20000' },
    share: { type: 'string', default: '0.01' },
    method: { type: 'string', default: 'INFOMAP' },
    json: { type: 'boolean', default: false },
  },
})
const share = Number(values.share)
const SEED = 1

function demo(): LabelledRows {
  const pictures = loadDemoSet()
  const names = [...new Set(pictures.map(({ name }) => name))]
  const cols = pictures[0]?.embedding.length as number
  const data = new Float32Array(pictures.length * cols)
  for (const [i, { embedding }] of pictures.entries()) data.set(embedding, i * cols)
  const labels = Int32Array.from(pictures, ({ name }) => names.indexOf(name))
  return { features: { data, rows: pictures.length, cols }, labels }
}

const shared = (name: string): LabelledRows | undefined => (hasLabelledSet(name) ? loadLabelledSet(name) : undefined)

/** A run over some rows, as the base of a placement of all. */
function baseOf(run: ClusterResult, known: readonly number[], n: number): PlacementBase {
  const base = {
    labels: new Int32Array(n).fill(-1),
    confidence: new Float32Array(n),
    parent: new Int32Array(n).fill(-1),
    parentProbability: new Float32Array(n).fill(1),
  }
  for (const [i, row] of known.entries()) {
    base.labels[row] = run.labels[i] as number
    base.confidence[row] = run.confidence[i] as number
    base.parent[row] = (run.parent[i] as number) < 0 ? -1 : (known[run.parent[i] as number] as number)
    base.parentProbability[row] = run.parentProbability[i] as number
  }
  const { child, parent, similarity, probability } = run.mergeCandidates
  const asRows = (indexes: Int32Array) => indexes.map((i) => known[i] as number)
  return { ...base, merges: { child: asRows(child), parent: asRows(parent), similarity, probability } }
}

const sets: [string, LabelledRows | undefined][] = [
  ['demo', demo()],
  ['caltech101', shared('caltech101_mnv2_256')],
  ['omniglot', shared('omniglot242_mnv2_256')],
  ['lfw', shared('lfw_facenet128_subset')],
  [`synthetic ${values.rows}`, syntheticFeatures(Number(values.rows), 128, SEED)],
]
const results: object[] = []
for (const [name, set] of sets) {
  if (!set) continue
  const { features, labels } = set
  const rng = createRng(SEED)
  const fresh = new Set(
    rng
      .shuffle(Int32Array.from({ length: features.rows }, (_, v) => v))
      .subarray(0, Math.max(1, Math.round(share * features.rows))),
  )
  const known = Array.from({ length: features.rows }, (_, v) => v).filter((v) => !fresh.has(v))
  const watch = createStopwatch(() => {})
  const method = values.method
  const before = await watch.measure('base', () =>
    clusterVertices({ features: selectRows(features, Int32Array.from(known)), method, seed: SEED }),
  )
  const base = baseOf(before, known, features.rows)
  const placed = await watch.measure('place', () => placeVertices({ features, base, seed: SEED }))
  const full = await watch.measure('full', () => clusterVertices({ features, method, seed: SEED }))
  const percent = (value: number) => Math.round(1000 * value) / 10
  const percentScores = (found: Labels, truth: ArrayLike<number>) => {
    const { pairwise, bcubed } = evaluateClustering(found, Int32Array.from(truth))
    return { pairwise: percent(pairwise.f), bcubed: percent(bcubed.f) }
  }
  const scores = (run: { labels: Labels }) => percentScores(run.labels, labels)
  const [, place, whole] = watch.times
  const result = {
    set: name,
    rows: features.rows,
    new: fresh.size,
    // Of what there was, without the new ones: what a placement can be as good as.
    base: percentScores(
      before.labels,
      known.map((row) => labels[row] as number),
    ),
    placed: scores(placed),
    full: scores(full),
    placeSeconds: place?.seconds,
    fullSeconds: whole?.seconds,
    placeCpuSeconds: place?.cpuSeconds,
    fullCpuSeconds: whole?.cpuSeconds,
    explanation: placed.explanation,
  }
  results.push(result)
  if (!values.json) console.log(result)
}
if (values.json) console.log(JSON.stringify(results, null, 2))
