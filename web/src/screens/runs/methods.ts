import type { ClusterMethod } from '../../generated/operations.ts'

/** The methods of a run: what people call them, and when to take them. */
export const METHODS: Record<ClusterMethod, [name: string, says: string]> = {
  AUTO: ['Auto', 'Measures every method on identities it has held out, and takes the best'],
  GCN_VE: ['GCN-V + GCN-E', 'Confidence and connectivity, as in the paper; needs a model'],
  GCN_V: ['GCN-V', 'Confidence alone; needs a model'],
  STRUCTURE: ['Structure', 'Edges judged by a network that has learnt from their surroundings; needs a model'],
  INFOMAP: ['Infomap', 'The map equation on the neighbour graph; needs no labels'],
  FC_ES: ['FC-ES', 'Similarity of neighbourhoods with early stop'],
  THRESHOLD: ['Cosine threshold', 'Whatever is similar enough hangs together'],
  CHINESE_WHISPERS: ['Chinese Whispers', 'Labels spread over the neighbour graph'],
  ARO: ['ARO', 'Approximate rank order'],
  CDP: ['CDP', 'Consensus-driven propagation'],
  CDP_VOTED: ['CDP, voted', 'The same with a committee and its mediator; needs a model'],
  L_GCN: ['L-GCN', 'Linkage by a graph network; needs a model'],
  LTC: ['LTC', 'Detection and segmentation of proposals; needs a model'],
  HAC: ['HAC', 'Agglomeration; at most 20,000 images'],
  DBSCAN: ['DBSCAN', 'Density on the neighbour graph'],
  MEAN_SHIFT: ['Mean shift', 'Modes of the density; slow on large sets'],
  SPECTRAL: ['Spectral', 'Eigenvectors; must be told the number of clusters'],
  K_MEANS: ['K-means', 'Must be told the number of clusters'],
}

export const methodName = (method: ClusterMethod): string => METHODS[method][0]

/** Methods that must be told how many clusters there are. */
export const NEEDS_COUNT: readonly ClusterMethod[] = ['K_MEANS', 'SPECTRAL']
