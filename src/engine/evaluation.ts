import { contingency } from './metrics/contingency.ts'
import { type ClusteringScores, evaluateClustering } from './metrics/evaluate-clustering.ts'
import type { ClusteringModel } from './model.ts'
import { clusterVertices } from './pipeline.ts'
import { createRng } from './rng.ts'
import type { Control, Labels, Matrix } from './types.ts'

/** A score with the interval that it would vary in over other identities. */
export interface Interval {
  readonly value: number
  /** 2.5th percentile of the bootstrap. */
  readonly low: number
  /** 97.5th percentile of the bootstrap. */
  readonly high: number
  /** Identities behind it. */
  readonly sampleSize: number
}

export interface EvaluationInput {
  /** Absent: what a run does without one. */
  readonly model?: ClusteringModel
  /** Embeddings, float32 [n, d]. */
  readonly features: Matrix
  /** int32 [n]: identities; below 0 = not known, left out of the scores but clustered in company. */
  readonly labels: Labels
  /** Default AUTO: what a run with this model does by itself. */
  readonly method?: string
  /** Default 42. */
  readonly seed?: number
}

export interface EvaluationOutput {
  readonly pairwiseF: Interval
  readonly bcubedF: Interval
  readonly scores: ClusteringScores
  readonly method: string
}

const BOOTSTRAP_SAMPLES = 400

/**
 * Clusters labelled vertices with a model and scores the result, with bootstrap intervals over identities.
 *
 * Source: [EFRON79]. Identities are drawn with replacement; a pair counts by the product of its identities' draws.
 *
 * @throws what `clusterVertices` throws. Deterministic for a seed on one backend.
 */
export async function evaluateModel(input: EvaluationInput, control: Control = {}): Promise<EvaluationOutput> {
  const { model, features, labels, method = 'AUTO', seed = 42 } = input
  const run = await clusterVertices({ model, features, method, seed }, control)
  const scores = evaluateClustering(run.labels, labels)
  const { pairwiseF, bcubedF } = bootstrapScores(run.labels, labels, seed)
  const interval = (value: number, samples: Float64Array): Interval => {
    // Identities drawn twice do not confuse each other, so samples score a little too well: that shift is taken out.
    const shift = samples.reduce((sum, sample) => sum + sample, 0) / samples.length - value
    const bound = (share: number) => Math.min(1, Math.max(0, percentile(samples, share) - shift))
    return { value, low: bound(0.025), high: bound(0.975), sampleSize: scores.classes }
  }
  return {
    pairwiseF: interval(scores.pairwise.f, pairwiseF),
    bcubedF: interval(scores.bcubed.f, bcubedF),
    scores,
    method,
  }
}

/** Both F of resampled identities, ascending, float64 [samples]. */
export function bootstrapScores(
  predicted: Labels,
  truth: Labels,
  seed: number,
): { pairwiseF: Float64Array; bcubedF: Float64Array } {
  const { cellCluster, cellClass, cellCount, clusterSizes, classSizes } = contingency(predicted, truth)
  const rng = createRng(seed)
  const classes = classSizes.length
  const pairwiseF = new Float64Array(BOOTSTRAP_SAMPLES)
  const bcubedF = new Float64Array(BOOTSTRAP_SAMPLES)
  const draws = new Float64Array(classes)
  const weighted = new Float64Array(clusterSizes.length)
  for (let sample = 0; sample < BOOTSTRAP_SAMPLES; sample++) {
    draws.fill(0)
    for (let i = 0; i < classes; i++) draws[rng.int(classes)]++
    weighted.fill(0)
    for (let e = 0; e < cellCount.length; e++) weighted[cellCluster[e]] += draws[cellClass[e]] * cellCount[e]

    let shared = 0
    let claimed = 0
    let actual = 0
    let precision = 0
    let recall = 0
    let vertices = 0
    for (let g = 0; g < classes; g++) {
      actual += draws[g] * classSizes[g] * (classSizes[g] - 1)
      vertices += draws[g] * classSizes[g]
    }
    for (let e = 0; e < cellCount.length; e++) {
      const draw = draws[cellClass[e]]
      const count = cellCount[e]
      if (draw === 0) continue
      // What shares the cluster: one's own identity once, other identities as often as they were drawn.
      const company = weighted[cellCluster[e]] - draw * count
      shared += draw * count * (count - 1)
      claimed += draw * count * (count - 1 + company)
      precision += (draw * count * count) / (count + company)
      recall += (draw * count * count) / classSizes[cellClass[e]]
    }
    pairwiseF[sample] = harmonic(claimed === 0 ? 1 : shared / claimed, actual === 0 ? 1 : shared / actual)
    bcubedF[sample] = vertices === 0 ? 1 : harmonic(precision / vertices, recall / vertices)
  }
  return { pairwiseF: pairwiseF.sort(), bcubedF: bcubedF.sort() }
}

function percentile(ascending: Float64Array, share: number): number {
  return ascending[Math.round(share * (ascending.length - 1))]
}

const harmonic = (a: number, b: number) => (a + b === 0 ? 0 : (2 * a * b) / (a + b))
