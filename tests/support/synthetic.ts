import { createRng } from '../../src/engine/rng.ts'

export interface SyntheticItem {
  externalKey: string
  truth: string
  embedding: number[]
}

/** Unit vectors around random class centres: `noise` 0 gives copies of the centre, 1 hides it. */
export function syntheticItems({
  classes,
  perClass,
  dimension = 16,
  noise = 0.5,
  seed = 7,
}: {
  classes: number
  perClass: number
  dimension?: number
  noise?: number
  seed?: number
}): SyntheticItem[] {
  const rng = createRng(seed)
  const unit = (values: number[]) => {
    const norm = Math.hypot(...values)
    return values.map((value) => value / norm)
  }
  const draw = () => Array.from({ length: dimension }, () => rng.normal())
  return Array.from({ length: classes }, (_, c) => {
    const centre = unit(draw())
    return Array.from({ length: perClass }, (_, i) => {
      const away = unit(draw())
      const embedding = unit(centre.map((value, d) => value * (1 - noise) + (away[d] as number) * noise))
      return { externalKey: `class-${c}/item-${i}`, truth: `class-${c}`, embedding }
    })
  }).flat()
}
