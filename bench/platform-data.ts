import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { ClusterResult } from '../src/engine/index.ts'
import { createRng } from '../src/engine/rng.ts'
import type { Matrix } from '../src/engine/types.ts'

/** A manifest of embeddings only: JSONL with base64 of float32. */
export async function writeManifest(file: string, { data, rows, cols }: Matrix): Promise<void> {
  const out = createWriteStream(file)
  for (let from = 0; from < rows; from += 1000) {
    let text = ''
    for (let row = from; row < Math.min(rows, from + 1000); row++) {
      const bytes = Buffer.from(data.buffer, data.byteOffset + 4 * row * cols, 4 * cols)
      text += `{"externalKey":"item-${row}","embedding":"${bytes.toString('base64')}"}\n`
    }
    if (!out.write(text)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'finish')
}

/** The same rows as `NAME.npy` with `NAME.keys.txt` beside it. */
export async function writeMatrix(file: string, { data, rows, cols }: Matrix): Promise<void> {
  const keys = Array.from({ length: rows }, (_, row) => `item-${row}\n`)
  await writeFile(file.replace(/\.npy$/, '.keys.txt'), keys)
  const out = createWriteStream(file)
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${cols}), }`
  // Magic, version and length take 10 bytes; the whole header is a multiple of 64.
  const length = Math.ceil((head.length + 11) / 64) * 64 - 10
  const size = Buffer.alloc(2)
  size.writeUInt16LE(length)
  out.write(
    Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), size, Buffer.from(`${head.padEnd(length - 1)}\n`)]),
  )
  for (let from = 0; from < rows; from += 4096) {
    const values = data.subarray(from * cols, Math.min(rows, from + 4096) * cols)
    if (!out.write(Buffer.from(values.buffer, values.byteOffset, values.byteLength))) await once(out, 'drain')
  }
  out.end()
  await once(out, 'finish')
}

/** Classes of which this share is proposed in two clusters, and vertices that hang in a wrong one. */
const SPLIT_SHARE = 0.3
const STRAY_SHARE = 0.03

type Proposal = Pick<
  ClusterResult,
  | 'labels'
  | 'confidence'
  | 'parent'
  | 'parentSimilarity'
  | 'parentProbability'
  | 'subtreeSize'
  | 'clusterSizes'
  | 'roots'
  | 'mergeCandidates'
>

/**
 * What a clustering of these rows could have proposed, with its usual mistakes: classes in two parts, strays in wrong
 * clusters, probabilities that tell most but not all of them. Stands in for the clustering itself, which takes hours for a
 * million rows on two cores and has benchmarks of its own.
 */
export function proposeClusters(
  { data, rows: n, cols }: Matrix,
  truth: Int32Array,
  classes: number,
  seed: number,
): Proposal {
  const rng = createRng(seed)
  const isSplit = Uint8Array.from({ length: classes }, () => (rng.next() < SPLIT_SHARE ? 1 : 0))
  const raw = new Int32Array(n)
  for (let v = 0; v < n; v++) {
    const label = rng.next() < STRAY_SHARE ? rng.int(classes) : (truth[v] as number)
    raw[v] = 2 * label + (isSplit[label] && rng.next() < 0.4 ? 1 : 0)
  }
  const dense = new Map<number, number>()
  const labels = raw.map((key) => {
    const known = dense.get(key)
    if (known !== undefined) return known
    dense.set(key, dense.size)
    return dense.size - 1
  })
  const count = dense.size
  const members: number[][] = Array.from({ length: count }, () => [])
  for (let v = 0; v < n; v++) (members[labels[v] as number] as number[]).push(v)

  const dot = (a: number, b: number) => {
    let sum = 0
    for (let c = 0; c < cols; c++) sum += (data[a * cols + c] as number) * (data[b * cols + c] as number)
    return sum
  }
  const probabilityOf = (a: number, b: number) =>
    truth[a] === truth[b] ? 1 - rng.next() ** 3 * 0.6 : 0.2 + 0.6 * rng.next()
  const parent = new Int32Array(n).fill(-1)
  const parentSimilarity = new Float32Array(n)
  const parentProbability = new Float32Array(n).fill(1)
  const subtreeSize = new Int32Array(n).fill(1)
  const confidence = new Float32Array(n)
  for (const cluster of members) {
    for (const [i, v] of cluster.entries()) {
      confidence[v] = 1 - i / (cluster.length + 1)
      if (i === 0) continue
      const u = cluster[rng.int(i)] as number
      parent[v] = u
      parentSimilarity[v] = dot(v, u)
      parentProbability[v] = probabilityOf(v, u)
    }
    for (let i = cluster.length - 1; i > 0; i--) {
      const v = cluster[i] as number
      subtreeSize[parent[v] as number] = (subtreeSize[parent[v] as number] as number) + (subtreeSize[v] as number)
    }
  }

  const pairs: [number, number][] = []
  for (const [key, cluster] of dense) {
    const other = key % 2 === 0 ? dense.get(key + 1) : undefined
    if (other !== undefined) pairs.push([Math.min(cluster, other), Math.max(cluster, other)])
  }
  const seen = new Set(pairs.map(([a, b]) => a * count + b))
  for (let a = 0; a < count; a++) {
    const b = rng.int(count)
    const [left, right] = [Math.min(a, b), Math.max(a, b)]
    if (left === right || seen.has(left * count + right)) continue
    seen.add(left * count + right)
    pairs.push([left, right])
  }
  const at = (cluster: number) =>
    (members[cluster] as number[])[rng.int((members[cluster] as number[]).length)] as number
  const child = Int32Array.from(pairs, ([left]) => at(left))
  const mergeParent = Int32Array.from(pairs, ([, right]) => at(right))
  const probability = Float32Array.from(
    pairs,
    (_, i) => probabilityOf(child[i] as number, mergeParent[i] as number) * 0.9,
  )
  const sizeOf = (cluster: number) => (members[cluster] as number[]).length
  return {
    labels,
    confidence,
    parent,
    parentSimilarity,
    parentProbability,
    subtreeSize,
    clusterSizes: Int32Array.from(members, ({ length }) => length),
    roots: Int32Array.from(members, ([root]) => root as number),
    mergeCandidates: {
      count: pairs.length,
      left: Int32Array.from(pairs, ([left]) => left),
      right: Int32Array.from(pairs, ([, right]) => right),
      child,
      parent: mergeParent,
      similarity: Float32Array.from(pairs, (_, i) => dot(child[i] as number, mergeParent[i] as number)),
      probability,
      priority: Float64Array.from(pairs, ([l, r], i) => (probability[i] as number) * sizeOf(l) * sizeOf(r)),
    },
  }
}
