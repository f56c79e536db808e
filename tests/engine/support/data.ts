import { createRng } from '../../../src/engine/rng.ts'
import type { Constraints, Labels, Matrix } from '../../../src/engine/types.ts'

/** Seeded vectors around class centres of unit length; the classes take turns. */
export function blobs(options: { classes: number; each: number; d: number; noise?: number; seed?: number }): {
  features: Matrix
  labels: Labels
} {
  const { classes, each, d, noise = 0.4, seed = 7 } = options
  const rng = createRng(seed)
  const spread = noise / Math.sqrt(d)
  const centres = Array.from({ length: classes }, () => {
    const centre = Float32Array.from({ length: d }, () => rng.normal())
    const norm = Math.hypot(...centre)
    return centre.map((value) => value / norm)
  })
  const data = new Float32Array(classes * each * d)
  const labels = new Int32Array(classes * each)
  for (let v = 0; v < labels.length; v++) {
    labels[v] = v % classes
    for (let c = 0; c < d; c++) data[v * d + c] = centres[labels[v]][c] + spread * 2 * rng.normal()
  }
  return { features: { data, rows: labels.length, cols: d }, labels }
}

/** A ledger without contradictions: pairs drawn from a hidden random partition, and some vertices excluded. */
export function randomLedger(n: number, pairs: number, seed: number): Constraints {
  const rng = createRng(seed)
  const hidden = Int32Array.from({ length: n }, () => rng.int(Math.max(2, n >> 2)))
  const mustLinks: number[] = []
  const cannotLinks: number[] = []
  for (let i = 0; i < pairs; i++) {
    const a = rng.int(n)
    const b = rng.int(n)
    if (a !== b) (hidden[a] === hidden[b] ? mustLinks : cannotLinks).push(a, b)
  }
  // Random pairs are hardly ever of one group, so must-links are drawn inside the groups as well.
  for (let i = 0; i < pairs; i++) {
    const a = rng.int(n)
    const others = [...hidden.keys()].filter((v) => v !== a && hidden[v] === hidden[a])
    if (others.length > 0) mustLinks.push(a, others[rng.int(others.length)])
  }
  const excluded = Array.from({ length: rng.int(Math.max(1, n >> 3)) }, () => rng.int(n))
  return {
    mustLinks: Int32Array.from(mustLinks),
    cannotLinks: Int32Array.from(cannotLinks),
    excluded: Int32Array.from(excluded),
  }
}

export function ledger(parts: { must?: number[][]; cannot?: number[][]; excluded?: number[] }): Constraints {
  return {
    mustLinks: Int32Array.from((parts.must ?? []).flat()),
    cannotLinks: Int32Array.from((parts.cannot ?? []).flat()),
    excluded: Int32Array.from(parts.excluded ?? []),
  }
}

/** Neighbour lists from a picture: for each vertex its neighbours as [id, similarity], most similar first. */
export function lists(rows: readonly (readonly (readonly [number, number])[])[]) {
  const k = Math.max(1, ...rows.map((row) => row.length))
  const ids = new Int32Array(rows.length * k).fill(-1)
  const similarities = new Float32Array(rows.length * k)
  rows.forEach((row, v) => {
    row.forEach(([id, similarity], rank) => {
      ids[v * k + rank] = id
      similarities[v * k + rank] = similarity
    })
  })
  return { n: rows.length, k, ids, similarities }
}
