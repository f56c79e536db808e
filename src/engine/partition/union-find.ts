/** Disjoint sets of vertices; the root of a set is its lowest vertex, so results do not depend on the order of unions. */
export class UnionFind {
  readonly #parent: Int32Array

  constructor(n: number) {
    this.#parent = new Int32Array(n)
    for (let v = 0; v < n; v++) this.#parent[v] = v
  }

  find(v: number): number {
    const parent = this.#parent
    let at = v
    while (parent[at] !== at) {
      // Path halving keeps the trees flat without a second walk.
      parent[at] = parent[parent[at]]
      at = parent[at]
    }
    return at
  }

  /** False when both were in one set already. */
  union(u: number, v: number): boolean {
    const a = this.find(u)
    const b = this.find(v)
    if (a === b) return false
    this.#parent[Math.max(a, b)] = Math.min(a, b)
    return true
  }

  /** Set numbers, dense from 0 in order of first appearance. */
  labels(): Int32Array {
    const labels = new Int32Array(this.#parent.length)
    let count = 0
    // The root of a set is its first vertex, so its number is known before any other member asks.
    for (let v = 0; v < labels.length; v++) {
      const root = this.find(v)
      labels[v] = root === v ? count++ : labels[root]
    }
    return labels
  }
}
