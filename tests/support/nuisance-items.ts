import { createRng } from '../../src/engine/rng.ts'
import type { SyntheticItem } from './synthetic.ts'

/** Vectors whose first values tell identities apart, and whose others are louder and mean nothing: a head can learn to look away. */
export function nuisanceItems({
  classes,
  perClass,
  seed = 7,
}: {
  classes: number
  perClass: number
  seed?: number
}): SyntheticItem[] {
  const rng = createRng(seed)
  const draw = (size: number, scale: number) => Array.from({ length: size }, () => scale * rng.normal())
  return Array.from({ length: classes }, (_, c) => {
    const centre = draw(NUISANCE.signal, 1)
    return Array.from({ length: perClass }, (_, i) => ({
      externalKey: `class-${c}/item-${i}`,
      truth: `class-${c}`,
      embedding: [...centre.map((value) => value + 0.35 * rng.normal()), ...draw(NUISANCE.noise, 1.1)],
    }))
  }).flat()
}

export const NUISANCE = { signal: 10, noise: 14 }
