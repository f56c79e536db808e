import type { FeatureStore } from '../kernels/contract.ts'
import { readRows } from '../kernels/feature-file.ts'
import { loadKernels } from '../kernels/select.ts'
import { affinityBlocks } from '../knn/graph.ts'
import type { Control, Matrix, NeighbourLists } from '../types.ts'
import { gcnVPredict, joinColumns } from './gcn-v.ts'
import type { Parameters } from './parameters.ts'

export interface GcnVBlockOptions extends Pick<Control, 'signal' | 'onProgress'> {
  /** Where to begin: the number of rows that an earlier, interrupted run has delivered; a multiple of `blockRows`. Default 0. */
  readonly firstRow?: number
  /** Rows a block; a multiple of 2048 gives the very numbers of one call. Default 262,144. */
  readonly blockRows?: number
}

export interface GcnVBlock {
  readonly firstRow: number
  /** float32 [rows of the block] */
  readonly confidence: Float32Array
  /** F_L of the block, not normalised: float32 [rows of the block, h]. */
  readonly hidden: Matrix
}

/**
 * `gcnVInput` and `gcnVPredict`, block after block of rows: neither the features, which may lie in a file, nor the
 * aggregate, nor the hidden features are in memory whole. The lists are.
 *
 * @param x L2-normalised rows, float32 [n, d]
 * @throws EngineError BAD_WEIGHTS when the network does not fit x, SHAPE_MISMATCH, ABORTED.
 */
export async function* gcnVBlocks(
  parameters: Parameters,
  x: FeatureStore,
  lists: NeighbourLists,
  options: GcnVBlockOptions = {},
): AsyncGenerator<GcnVBlock, void> {
  const { signal, onProgress } = options
  const { kernels } = await loadKernels()
  for await (const { firstRow, graph } of affinityBlocks(lists, options)) {
    const aggregate = await kernels.aggregate(x, graph, { signal })
    const input = joinColumns(await readRows(x, firstRow, graph.n), aggregate)
    const { confidence, hidden } = await gcnVPredict(parameters, input, {
      signal,
      onProgress: onProgress && ((p) => onProgress({ ...p, completed: firstRow + p.completed, total: x.rows })),
    })
    yield { firstRow, confidence, hidden }
  }
}
