import type { Samples } from '../../../src/engine/index.ts'
import { createRng } from '../../../src/engine/rng.ts'

/** Small grey pictures: each identity has strokes of its own, each picture of it moves and blurs them a little. */
export function syntheticPictures(
  identities: number,
  each: number,
  seed: number,
  edge = 12,
): { samples: Samples; labels: Int32Array } {
  const rng = createRng(seed)
  const data = new Uint8Array(identities * each * edge * edge)
  const labels = new Int32Array(identities * each)
  let at = 0
  for (let identity = 0; identity < identities; identity++) {
    const strokes = Array.from({ length: 3 }, () => Array.from({ length: 4 }, () => rng.next() * (edge - 1)))
    for (let picture = 0; picture < each; picture++) {
      labels[at] = identity
      for (const stroke of strokes) {
        const [x0, y0, x1, y1] = stroke.map((place) => place + 0.5 * rng.normal())
        for (let t = 0; t <= 1; t += 1 / (2 * edge)) {
          const x = Math.round(x0 + t * (x1 - x0))
          const y = Math.round(y0 + t * (y1 - y0))
          if (x >= 0 && y >= 0 && x < edge && y < edge) data[(at * edge + y) * edge + x] = 255
        }
      }
      at++
    }
  }
  return { samples: { data, count: at, shape: [edge, edge, 1] }, labels }
}

/** Vectors around a centre of their identity. */
export function syntheticVectors(
  identities: number,
  each: number,
  dimension: number,
  seed: number,
  noise = 0.6,
): { samples: Samples; labels: Int32Array } {
  const rng = createRng(seed)
  const data = new Float32Array(identities * each * dimension)
  const labels = new Int32Array(identities * each)
  let at = 0
  for (let identity = 0; identity < identities; identity++) {
    const centre = Float32Array.from({ length: dimension }, () => rng.normal())
    for (let i = 0; i < each; i++, at++) {
      labels[at] = identity
      for (let d = 0; d < dimension; d++) data[at * dimension + d] = centre[d] + noise * rng.normal()
    }
  }
  return { samples: { data, count: at, shape: [dimension] }, labels }
}
