import type { Rng } from './types.ts'

/** Seeded xoshiro128** generator: the same seed gives the same stream on every machine. */
export function createRng(seed: number): Rng {
  // splitmix32 spreads the seed over the state, so that neighbouring seeds give unrelated streams.
  let mix = seed >>> 0
  const split = () => {
    mix = (mix + 0x9e3779b9) >>> 0
    let z = mix
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  let [a, b, c, d] = [split(), split(), split(), split()]
  let spare: number | undefined

  function uint32(): number {
    const scrambled = Math.imul(b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = (d << 11) | (d >>> 21)
    return result
  }

  const next = () => uint32() / 4294967296
  const int = (bound: number) => Math.floor(next() * bound)

  return {
    next,
    int,
    normal() {
      if (spare !== undefined) {
        const value = spare
        spare = undefined
        return value
      }
      const radius = Math.sqrt(-2 * Math.log(1 - next()))
      const angle = 2 * Math.PI * next()
      spare = radius * Math.sin(angle)
      return radius * Math.cos(angle)
    },
    shuffle(values) {
      for (let i = values.length - 1; i > 0; i--) {
        const j = int(i + 1)
        const held = values[i] as number
        values[i] = values[j] as number
        values[j] = held
      }
      return values
    },
  }
}
