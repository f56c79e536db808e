import { initGcnV } from '../../../src/engine/gcn/gcn-v.ts'
import type { ClusteringModel } from '../../../src/engine/model.ts'

/** A well-formed clustering model with untrained weights: for tests that must not spend seconds on training one. */
export function standInModel(dimension: number, embedderId: string): ClusteringModel {
  const unchanged = { bias: 0, slope: 1 }
  return {
    embedderId,
    embeddingDimension: dimension,
    seed: 1,
    k: 5,
    tree: { graph: 'raw', raw: { k: 5, tau: 0.4 }, rebuilt: { k: 5, tau: 0.6 } },
    connectivity: { k: 5, tau: 0.6, rho: 0.3, usesNetwork: false },
    threshold: { k: 5, tau: 0.7 },
    calibration: { k: 5, bias: -3, similarity: 5, shared: 1, parent: unchanged, merge: unchanged, edges: 120 },
    heldOut: { gcnV: 0.5, gcnVE: 0.5, threshold: 0.4 },
    gcnV: initGcnV({ features: dimension, hidden: 4 }, 1),
  }
}
