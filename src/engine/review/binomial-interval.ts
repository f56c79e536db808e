/** A share with its confidence interval. */
export interface ShareInterval {
  readonly value: number
  readonly low: number
  readonly high: number
  /** Examples behind it. */
  readonly sampleSize: number
}

/**
 * Exact interval of a share, from successes in independent examples. Without examples it is 0 to 1, and the value one half.
 *
 * Source: [CLOPPER34]. Covers the true share at least as often as `level` says, whatever the share and the sample size.
 */
export function shareInterval(successes: number, n: number, level = 0.95): ShareInterval {
  const alpha = (1 - level) / 2
  return {
    value: n === 0 ? 0.5 : successes / n,
    low: shareLowerBound(successes, n, alpha),
    high: n === 0 ? 1 : 1 - shareLowerBound(n - successes, n, alpha),
    sampleSize: n,
  }
}

/** The largest share that is refuted with error `delta`: the true share lies below it with at most that chance. */
export function shareLowerBound(successes: number, n: number, delta: number): number {
  if (successes <= 0 || n <= 0) return 0
  if (successes >= n) return delta ** (1 / n)
  let low = 0
  let high = successes / n
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2
    // P(X >= successes) at this share, as an incomplete beta function.
    if (incompleteBeta(middle, successes, n - successes + 1) > delta) high = middle
    else low = middle
  }
  return low
}

/**
 * Interval of a share from examples of unequal weight: the exact one at the effective sample size, (sum w)^2 / sum w^2.
 * Weights must not depend on the outcomes.
 */
export function weightedShareInterval(
  outcomes: readonly { readonly isTrue: boolean; readonly weight: number }[],
  level = 0.95,
): ShareInterval {
  let sum = 0
  let squares = 0
  let hits = 0
  for (const { isTrue, weight } of outcomes) {
    sum += weight
    squares += weight * weight
    if (isTrue) hits += weight
  }
  if (sum === 0) return shareInterval(0, 0, level)
  const effective = (sum * sum) / squares
  const { low, high } = shareInterval((hits / sum) * effective, effective, level)
  return { value: hits / sum, low, high, sampleSize: outcomes.length }
}

/** I_x(a, b), the distribution function of the beta distribution; a and b above 0. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x))
  // The fraction converges fast on this side of the mode.
  return x < (a + 1) / (a + b + 2) ? (front * fraction(x, a, b)) / a : 1 - (front * fraction(1 - x, b, a)) / b
}

/** Lentz's evaluation of the continued fraction. */
function fraction(x: number, a: number, b: number): number {
  const tiny = 1e-300
  const safe = (value: number) => (Math.abs(value) < tiny ? tiny : value)
  let c = 1
  let d = 1 / safe(1 - ((a + b) * x) / (a + 1))
  let result = d
  for (let m = 1; m <= 300; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / safe(1 + even * d)
    c = safe(1 + even / c)
    result *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / safe(1 + odd * d)
    c = safe(1 + odd / c)
    const step = d * c
    result *= step
    if (Math.abs(step - 1) < 1e-14) break
  }
  return result
}

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
]

/** Logarithm of the gamma function, x above 0; Lanczos's approximation with g = 7. */
function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x)
  let sum = LANCZOS[0]
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i] / (x - 1 + i)
  const t = x + 6.5
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum)
}
