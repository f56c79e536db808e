import type { Decoder } from '../decoder.ts'
import { edgeGraph } from './edge-graph.ts'
import { minimiseMapEquation } from './map-equation.ts'
import type { Method } from './method.ts'
import { neighbourOverlap } from './neighbour-overlap.ts'
import { numberOf } from './parameter.ts'

const decode: Decoder = async ({ lists, parameters, seed }, control) => {
  const leastOverlap = numberOf(parameters, 'leastOverlap', 0.22, [0, 1])
  const power = numberOf(parameters, 'power', 1, [0, 32])
  const overlap = await neighbourOverlap(lists, leastOverlap, control)
  const weights = power === 1 ? overlap : overlap.map((value) => value ** power)
  const { labels } = await minimiseMapEquation(edgeGraph(lists, weights), { seed }, control)
  return { labels, parametersChosen: { leastOverlap, power } }
}

/**
 * Neighbour-set similarity with early stop, then the map equation. Needs no labels.
 *
 * `leastOverlap`: each list is left at the first neighbour whose overlap is below this, default 0.22 as published; `power` of the
 * overlap as edge weight, default 1.
 *
 * Source: FC-ES. Differs: undirected flow, published with directed.
 */
export const fcEs: Method = {
  name: 'FC_ES',
  title: 'Neighbour-set similarity, early stop (FC-ES)',
  decode,
  isRandom: true,
  contendsUpTo: 200_000,
  settings: ({ k }) =>
    [10, 20, 40, 79]
      .filter((count) => count <= k)
      .flatMap((count) => [0.12, 0.22, 0.35].map((leastOverlap) => ({ leastOverlap, k: count }))),
}
