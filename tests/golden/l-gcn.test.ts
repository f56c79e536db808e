import { describe, expect, it } from 'vitest'
import { normalizeRows } from '../../src/engine/knn/normalize-rows.ts'
import { pivotBatch, pivotNodes } from '../../src/engine/methods/l-gcn.ts'
import { expectClose, golden, hasGolden, matrix, withoutSelf } from './golden.ts'

describe.skipIf(!hasGolden)('L-GCN against the released code', () => {
  it('cuts the same subgraphs', () => {
    const known = golden('knn')
    const lists = withoutSelf(known.nbrs, known.dists)
    const x = normalizeRows(matrix(golden('input').features))
    const { k_at_hop, active_connection, subgraphs } = golden('lgcn_subgraph')
    // The released numbers count the vertex itself in the first hop only.
    const hops = { first: k_at_hop[0] - 1, second: k_at_hop[1], connections: active_connection }
    for (const { center, nodes_sorted, one_hop_nodes, adjacency_rows_in_sorted_order } of subgraphs) {
      const { nodes, oneHop } = pivotNodes(lists, center, hops)
      expect([...nodes, center].sort((a, b) => a - b)).toEqual(nodes_sorted)
      expect(nodes.slice(0, oneHop).sort((a, b) => a - b)).toEqual(
        [...one_hop_nodes].sort((a: number, b: number) => a - b),
      )
      const { adjacency, size, nodes: rows } = pivotBatch(lists, x, Int32Array.of(center), hops)
      const order = nodes_sorted.map((v: number) => rows.indexOf(v))
      const sorted = order.flatMap((a: number) => order.map((b: number) => adjacency[a * size + b]))
      expectClose(sorted, adjacency_rows_in_sorted_order.flat(), 1e-6, `pivot ${center}`)
    }
  })
})
