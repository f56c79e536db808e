import { describe, expect, it } from 'vitest'
import { evaluateClustering } from '../../src/engine/metrics/evaluate-clustering.ts'
import { countViolations } from '../../src/engine/partition/constraint-index.ts'
import { clusterVertices } from '../../src/engine/pipeline.ts'
import { type PlacementBase, placeVertices } from '../../src/engine/placement.ts'
import { createRng } from '../../src/engine/rng.ts'
import type { Constraints, Matrix } from '../../src/engine/types.ts'
import { syntheticItems } from '../support/synthetic.ts'

interface Labelled {
  readonly x: Matrix
  readonly truth: Int32Array
}

function labelled(classes: number, perClass: number, noise: number, seed: number): Labelled {
  const items = syntheticItems({ classes, perClass, noise, seed })
  return {
    x: { data: Float32Array.from(items.flatMap(({ embedding }) => embedding)), rows: items.length, cols: 16 },
    truth: Int32Array.from(items, ({ truth }) => Number(truth.slice('class-'.length))),
  }
}

const rowsOf = ({ x, truth }: Labelled, rows: number[]): Labelled => ({
  x: {
    data: Float32Array.from(rows.flatMap((row) => [...x.data.subarray(row * x.cols, (row + 1) * x.cols)])),
    rows: rows.length,
    cols: x.cols,
  },
  truth: Int32Array.from(rows, (row) => truth[row] as number),
})

/** A run over the given rows, as the base of a placement of all. */
async function baseOf(all: Labelled, known: number[], method = 'INFOMAP'): Promise<PlacementBase> {
  const run = await clusterVertices({ features: rowsOf(all, known).x, method, seed: 1 })
  const n = all.x.rows
  const labels = new Int32Array(n).fill(-1)
  const confidence = new Float32Array(n)
  const parent = new Int32Array(n).fill(-1)
  const parentProbability = new Float32Array(n).fill(1)
  for (const [i, row] of known.entries()) {
    labels[row] = run.labels[i] as number
    confidence[row] = run.confidence[i] as number
    const up = run.parent[i] as number
    parent[row] = up < 0 ? -1 : (known[up] as number)
    parentProbability[row] = run.parentProbability[i] as number
  }
  const { child, parent: ends, similarity, probability } = run.mergeCandidates
  const asRows = (indexes: Int32Array) => indexes.map((i) => known[i] as number)
  return {
    labels,
    confidence,
    parent,
    parentProbability,
    merges: { child: asRows(child), parent: asRows(ends), similarity, probability },
  }
}

/** Is it the same partition, whatever its numbers? */
function isSamePartition(a: Int32Array, b: Int32Array, rows: Iterable<number>): boolean {
  const there = new Map<number, number>()
  const back = new Map<number, number>()
  for (const v of rows) {
    const [left, right] = [a[v] as number, b[v] as number]
    if ((there.get(left) ?? right) !== right || (back.get(right) ?? left) !== left) return false
    there.set(left, right)
    back.set(right, left)
  }
  return true
}

const everyRow = (n: number) => Array.from({ length: n }, (_, v) => v)

describe('a placement', () => {
  it('gives the base back where nothing is new: clusters, trees and probabilities', async () => {
    const all = labelled(20, 8, 0.4, 3)
    const base = await baseOf(all, everyRow(all.x.rows))
    const placed = await placeVertices({ features: all.x, base, seed: 1 })
    expect(isSamePartition(placed.labels, base.labels, everyRow(all.x.rows))).toBe(true)
    expect(placed.parent).toEqual(base.parent)
    expect(placed.parentProbability).toEqual(base.parentProbability)
    expect(placed.explanation).toMatch(/^0 new items/)
  })

  it('puts items of a known class into its cluster, and makes clusters of classes that are new', async () => {
    const all = labelled(20, 8, 0.3, 4)
    // Two members of each class are new, and all of the last two classes.
    const known = everyRow(all.x.rows).filter((v) => (all.truth[v] as number) < 18 && v % 8 < 6)
    const base = await baseOf(all, known)
    const placed = await placeVertices({ features: all.x, base, seed: 1 })
    expect(isSamePartition(placed.labels, all.truth, everyRow(all.x.rows))).toBe(true)
    expect(placed.clusterSizes.every((size) => size === 8)).toBe(true)
    expect(placed.explanation).toMatch(/^52 new items: 36 joined clusters that were there, the others make 2 new ones/)
  })

  it('moves an old item only where new ones tip the balance', async () => {
    // On a circle, in degrees: 40 hangs on a group at 0 to 20, until a group at 50 to 60 comes.
    const degrees = [0, 10, 20, 40, 50, 55, 60, 180, 190, 200]
    const x = {
      data: Float32Array.from(degrees.flatMap((d) => [Math.cos((d * Math.PI) / 180), Math.sin((d * Math.PI) / 180)])),
      rows: degrees.length,
      cols: 2,
    }
    const base: PlacementBase = {
      labels: Int32Array.of(0, 0, 0, 0, -1, -1, -1, 1, 1, 1),
      confidence: Float32Array.of(0.8, 1, 0.9, 0.5, 0, 0, 0, 0.8, 1, 0.8),
      parent: Int32Array.of(1, -1, 1, 2, -1, -1, -1, 8, -1, 8),
      parentProbability: new Float32Array(10).fill(0.9),
      merges: {
        child: new Int32Array(0),
        parent: new Int32Array(0),
        similarity: new Float32Array(0),
        probability: new Float32Array(0),
      },
    }
    const { labels } = await placeVertices({ features: x, base, seed: 1 })
    // Whatever became of 40 and the new group, nobody else moved.
    expect(labels[0]).toBe(labels[1])
    expect(labels[1]).toBe(labels[2])
    expect(new Set([labels[7], labels[8], labels[9]]).size).toBe(1)
    expect(labels[4]).toBe(labels[5])
    expect(labels[5]).toBe(labels[6])
    expect(labels[7]).not.toBe(labels[1])
  })

  it('refuses a base of another length', async () => {
    const all = labelled(3, 4, 0.3, 1)
    const base = await baseOf(all, everyRow(12))
    const refused = placeVertices({ features: rowsOf(all, everyRow(11)).x, base, seed: 1 })
    await expect(refused).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' })
  })
})

describe('random placements', () => {
  const TRIALS = 40
  it(`${TRIALS} placements under random decisions: none is broken, untouched items keep their cluster, quality is that of a full run`, async () => {
    const f = { placed: 0, full: 0 }
    let [decisions, kept, news] = [0, 0, 0]
    for (let trial = 0; trial < TRIALS; trial++) {
      const rng = createRng(100 + trial)
      const all = labelled(12 + rng.int(12), 6 + rng.int(4), 0.3 + 0.2 * rng.next(), 100 + trial)
      const n = all.x.rows
      const known = everyRow(n).filter(() => rng.next() > 0.1)
      news += n - known.length
      const base = await baseOf(all, known)
      const before = { ...base, labels: base.labels.slice(), parent: base.parent.slice() }
      const constraints = trial % 2 === 0 ? randomDecisions(all, rng) : undefined
      decisions += constraints
        ? constraints.mustLinks.length / 2 + constraints.cannotLinks.length / 2 + constraints.excluded.length
        : 0
      const placed = await placeVertices({ features: all.x, base, constraints, seed: 1 })
      expect({ labels: base.labels, parent: base.parent }).toEqual({ labels: before.labels, parent: before.parent })
      if (constraints) expect(countViolations(placed.labels, constraints)).toBe(0)
      else {
        // At most the first five neighbours of each new item are looked at again.
        const moved = known.filter((v) => {
          const mates = known.filter((u) => base.labels[u] === base.labels[v])
          const together = mates.filter((u) => placed.labels[u] === placed.labels[v])
          return together.length * 2 < mates.length
        })
        expect(moved.length).toBeLessThanOrEqual(5 * (n - known.length))
        kept += known.length - moved.length
        const full = await clusterVertices({ features: all.x, method: 'INFOMAP', seed: 1 })
        f.placed += evaluateClustering(placed.labels, all.truth).pairwise.f
        f.full += evaluateClustering(full.labels, all.truth).pairwise.f
      }
      expect(placed.subtreeSize.reduce((sum, size, v) => sum + (placed.parent[v] === -1 ? size : 0), 0)).toBe(n)
    }
    const mean = (sum: number) => (sum / (TRIALS / 2)).toFixed(3)
    console.log(
      `placements: ${TRIALS} trials, ${news} new items, ${decisions} decisions, 0 violations; pairwise F ${mean(f.placed)} placed, ${mean(f.full)} computed in full; ${kept} old items kept`,
    )
    expect(f.placed).toBeGreaterThan(f.full - 0.02 * (TRIALS / 2))
  })
})

function randomDecisions({ truth }: Labelled, rng: ReturnType<typeof createRng>): Constraints {
  const [mustLinks, cannotLinks, excluded]: number[][] = [[], [], []]
  const out = new Set<number>()
  for (let i = 0; i < 3; i++) out.add(rng.int(truth.length))
  excluded?.push(...out)
  for (let i = 0; i < 40; i++) {
    const [a, b] = [rng.int(truth.length), rng.int(truth.length)]
    if (a === b) continue
    if (truth[a] === truth[b]) mustLinks?.push(a, b)
    else cannotLinks?.push(a, b)
  }
  return {
    mustLinks: Int32Array.from(mustLinks ?? []),
    cannotLinks: Int32Array.from(cannotLinks ?? []),
    excluded: Int32Array.from(excluded ?? []),
  }
}
