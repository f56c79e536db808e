import * as tf from '@tensorflow/tfjs'
import '@tensorflow/tfjs-backend-wasm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Kernels } from '../../../src/engine/kernels/contract.ts'
import { registerFastMatMul } from '../../../src/engine/kernels/fast-mat-mul.ts'
import { referenceKernels } from '../../../src/engine/kernels/reference.ts'
import { loadKernels } from '../../../src/engine/kernels/select.ts'
import { createRng } from '../../../src/engine/rng.ts'

type Shapes = [string, number[], number[], boolean, boolean]

const SHAPES: Shapes[] = [
  ['plain', [5, 7], [7, 3], false, false],
  ['both transposed', [7, 5], [3, 7], true, true],
  ['a batch', [4, 6, 9], [4, 9, 2], false, false],
  ['a batch, left transposed', [4, 9, 6], [4, 9, 2], true, false],
  ['a batch on one right operand', [4, 6, 9], [1, 9, 2], false, false],
  ['a batch on one left operand', [1, 6, 9], [3, 9, 2], false, false],
  ['two dimensions of batch', [2, 3, 6, 9], [2, 3, 9, 4], false, false],
  ['a batch that broadcasts crosswise', [2, 1, 4, 5], [1, 3, 5, 4], false, false],
  ['sizes past every tile', [70, 300], [300, 45], false, false],
  ['no rows', [0, 4], [4, 3], false, false],
]

describe('fast matMul on the wasm heap', () => {
  let kernels: Kernels
  const expected = new Map<string, Float32Array>()

  beforeAll(async () => {
    kernels = (await loadKernels()).kernels
    await tf.setBackend('cpu')
    for (const shapes of SHAPES) expected.set(shapes[0], run(shapes))
    await tf.setBackend('wasm')
    if (!kernels.gemm) kernels = { ...kernels, gemm: referenceKernels.gemm }
  })

  it('registers once, and not at all without a product of its own', () => {
    const before = tf.getKernel('BatchMatMul', 'wasm')
    expect(registerFastMatMul(tf, { ...kernels, gemm: undefined })).toBe(false)
    expect(tf.getKernel('BatchMatMul', 'wasm')).toBe(before)
    expect(registerFastMatMul(tf, kernels)).toBe(true)
    const fast = tf.getKernel('BatchMatMul', 'wasm')
    expect(fast).not.toBe(before)
    expect(registerFastMatMul(tf, kernels)).toBe(true)
    expect(tf.getKernel('BatchMatMul', 'wasm')).toBe(fast)
  })

  it.each(SHAPES)('multiplies %s as the plain backend does', (...shapes) => {
    const [product, truth] = [run(shapes), expected.get(shapes[0]) as Float32Array]
    expect(product).toHaveLength(truth.length)
    for (let i = 0; i < truth.length; i++) expect(product[i]).toBeCloseTo(truth[i], 3)
  })

  it('survives growth of the heap between its operands and its output', () => {
    const a = values([8, 8], 1)
    const held: tf.Tensor[] = []
    for (let round = 0; round < 6; round++) {
      held.push(tf.zeros([1 << (18 + round)]))
      expect(tf.matMul(a as tf.Tensor2D, tf.eye(8)).dataSync()).toEqual(a.dataSync())
    }
    tf.dispose([a, ...held])
  })

  it('gives gradients and leaves no tensors behind', () => {
    const before = tf.memory().numTensors
    tf.tidy(() => {
      const [a, b] = [values([6, 4], 2) as tf.Tensor2D, values([4, 5], 3) as tf.Tensor2D]
      const [da] = tf.grads((p: tf.Tensor, q: tf.Tensor) => tf.matMul(p, q).sum())([a, b])
      // The gradient of the sum of a b with respect to a repeats the row sums of b.
      const rowSums = b.sum(1).dataSync()
      for (let i = 0; i < 24; i++) expect(da.dataSync()[i]).toBeCloseTo(rowSums[i % 4], 4)
    })
    expect(tf.memory().numTensors).toBe(before)
  })

  function run([, a, b, transposeA, transposeB]: Shapes): Float32Array {
    return tf.tidy(() => tf.matMul(values(a, 1), values(b, 2), transposeA, transposeB).dataSync() as Float32Array)
  }

  function values(shape: number[], seed: number): tf.Tensor {
    const rng = createRng(seed)
    return tf.tensor(
      Float32Array.from({ length: shape.reduce((all, size) => all * size, 1) }, () => rng.normal()),
      shape,
    )
  }
})
