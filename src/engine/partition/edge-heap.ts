/** One waiting edge a vertex, strongest first, ties by lower vertex. */
export class EdgeHeap {
  readonly #vertices: Int32Array
  readonly #strength: Float32Array
  #size = 0

  constructor(n: number) {
    this.#vertices = new Int32Array(n)
    this.#strength = new Float32Array(n)
  }

  push(v: number, strength: number): void {
    this.#strength[v] = strength
    let at = this.#size++
    while (at > 0) {
      const up = (at - 1) >> 1
      if (!this.#before(v, this.#vertices[up])) break
      this.#vertices[at] = this.#vertices[up]
      at = up
    }
    this.#vertices[at] = v
  }

  /** The vertex with the strongest edge, -1 when none waits. */
  pop(): number {
    if (this.#size === 0) return -1
    const top = this.#vertices[0]
    const moved = this.#vertices[--this.#size]
    let at = 0
    for (;;) {
      let down = 2 * at + 1
      if (down >= this.#size) break
      if (down + 1 < this.#size && this.#before(this.#vertices[down + 1], this.#vertices[down])) down++
      if (!this.#before(this.#vertices[down], moved)) break
      this.#vertices[at] = this.#vertices[down]
      at = down
    }
    this.#vertices[at] = moved
    return top
  }

  #before(u: number, v: number): boolean {
    return this.#strength[u] > this.#strength[v] || (this.#strength[u] === this.#strength[v] && u < v)
  }
}
