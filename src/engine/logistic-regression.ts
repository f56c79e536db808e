export const logistic = (z: number): number => 1 / (1 + Math.exp(-z))

export const logit = (p: number): number => Math.log(Math.max(1e-9, p) / Math.max(1e-9, 1 - p))

const NEWTON_STEPS = 40
const LONGEST_MOVE = 20

/**
 * Weights w that make 1 / (1 + exp(-(offset + w x))) fit outcomes best, by Newton's method with step halving.
 *
 * @param rows features of every example, equally long; a leading 1 makes a bias
 * @param truths 0 or 1, or the share between that came true
 * @param ridge by feature: how hard its weight is pulled to 0, in examples; above 0 keeps separable data finite
 * @param offsets what is already believed, in log-odds; default 0
 */
export function logisticRegression(
  rows: readonly (readonly number[])[],
  truths: readonly number[],
  ridge: readonly number[],
  offsets?: readonly number[],
): number[] {
  const d = ridge.length
  const w = new Array<number>(d).fill(0)
  let height = likelihood(w)
  for (let step = 0; step < NEWTON_STEPS; step++) {
    const gradient = w.map((weight, i) => -ridge[i] * weight)
    const curvature = w.map((_, i) => w.map((_, j) => (i === j ? ridge[i] + 1e-9 : 0)))
    for (let e = 0; e < rows.length; e++) {
      const row = rows[e]
      let z = offsets?.[e] ?? 0
      for (let i = 0; i < d; i++) z += w[i] * row[i]
      const p = logistic(z)
      const bend = p * (1 - p)
      for (let i = 0; i < d; i++) {
        gradient[i] += (truths[e] - p) * row[i]
        for (let j = 0; j <= i; j++) curvature[i][j] += bend * row[i] * row[j]
      }
    }
    const move = solveSymmetric(curvature, gradient).map((by) => Math.max(-LONGEST_MOVE, Math.min(LONGEST_MOVE, by)))
    // Where beliefs are far too sure of themselves the full step overshoots: half of it, until things get better.
    let next = w.map((weight, i) => weight + move[i])
    let reached = likelihood(next)
    for (let halving = 0; halving < 30 && !(reached >= height); halving++) {
      for (let i = 0; i < d; i++) move[i] /= 2
      next = w.map((weight, i) => weight + move[i])
      reached = likelihood(next)
    }
    for (let i = 0; i < d; i++) w[i] = next[i]
    height = reached
    if (Math.max(...move.map(Math.abs)) < 1e-8) break
  }
  return w

  /** Penalised log-likelihood. */
  function likelihood(weights: readonly number[]): number {
    let sum = 0
    for (let i = 0; i < d; i++) sum -= (ridge[i] * weights[i] * weights[i]) / 2
    for (let e = 0; e < rows.length; e++) {
      let z = offsets?.[e] ?? 0
      for (let i = 0; i < d; i++) z += weights[i] * rows[e][i]
      // log(1 + exp(z)) without overflow.
      sum += truths[e] * z - (z > 0 ? z + Math.log1p(Math.exp(-z)) : Math.log1p(Math.exp(z)))
    }
    return sum
  }
}

/** Solves A x = b by Cholesky; only the lower half of A is read, and it is overwritten. */
function solveSymmetric(a: number[][], b: readonly number[]): number[] {
  const d = b.length
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i][j]
      for (let l = 0; l < j; l++) sum -= a[i][l] * a[j][l]
      a[i][j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / a[j][j]
    }
  }
  const y = b.slice()
  for (let i = 0; i < d; i++) {
    for (let l = 0; l < i; l++) y[i] -= a[i][l] * y[l]
    y[i] /= a[i][i]
  }
  for (let i = d - 1; i >= 0; i--) {
    for (let l = i + 1; l < d; l++) y[i] -= a[l][i] * y[l]
    y[i] /= a[i][i]
  }
  return y
}
