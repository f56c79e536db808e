/** Share of all steps in which the learning rate rises. */
const WARM_UP = 0.1
/** Share of the rate that is left at the end. */
const LAST = 0.01

/**
 * What the learning rate is multiplied by: up in a straight line, then down along half a cosine [LOSHCHILOV17].
 *
 * @param progress share of all steps done, 0..1
 */
export function learningRateFactor(progress: number): number {
  if (progress < WARM_UP) return (progress + 0.01) / (WARM_UP + 0.01)
  const done = Math.min(1, (progress - WARM_UP) / (1 - WARM_UP))
  return LAST + (1 - LAST) * 0.5 * (1 + Math.cos(Math.PI * done))
}
