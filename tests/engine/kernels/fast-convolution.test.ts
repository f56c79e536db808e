import * as tf from '@tensorflow/tfjs'
import '@tensorflow/tfjs-backend-wasm'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Kernels } from '../../../src/engine/kernels/contract.ts'
import { registerFastConvolution } from '../../../src/engine/kernels/fast-convolution.ts'
import { referenceKernels } from '../../../src/engine/kernels/reference.ts'
import { loadKernels } from '../../../src/engine/kernels/select.ts'
import { createRng } from '../../../src/engine/rng.ts'

type Case = [string, number[], number[], number | [number, number], 'same' | 'valid']

const CASES: Case[] = [
  ['stride 1, padded', [2, 6, 6, 3], [3, 3, 3, 4], 1, 'same'],
  ['stride 2, odd size', [2, 7, 7, 2], [3, 3, 2, 5], 2, 'same'],
  ['stride 2, even size: padded below and right only', [1, 8, 8, 1], [3, 3, 1, 4], 2, 'same'],
  ['no padding', [2, 6, 5, 2], [3, 2, 2, 3], 1, 'valid'],
  ['no padding, pixels left over', [1, 8, 8, 2], [3, 3, 2, 2], 2, 'valid'],
  ['unequal strides', [1, 7, 9, 2], [5, 3, 2, 3], [2, 3], 'same'],
  ['filter larger than the picture', [1, 3, 3, 1], [5, 5, 1, 2], 2, 'same'],
  ['one pixel', [4, 1, 1, 3], [1, 1, 3, 2], 1, 'same'],
]

describe('fast convolutions on the wasm heap', () => {
  let kernels: Kernels
  const expected = new Map<string, Float32Array[]>()

  beforeAll(async () => {
    kernels = (await loadKernels()).kernels
    await tf.setBackend('cpu')
    for (const one of CASES) expected.set(one[0], run(one))
    await tf.setBackend('wasm')
    if (!kernels.gemm) kernels = { ...kernels, gemm: referenceKernels.gemm }
  })

  it('without a product of its own, adds the one kernel that is missing, on the product of the backend', () => {
    const plain = tf.getKernel('Conv2D', 'wasm')
    expect(tf.getKernel('Conv2DBackpropFilter', 'wasm')).toBeUndefined()
    expect(registerFastConvolution(tf, { ...kernels, gemm: undefined })).toBe(false)
    expect(tf.getKernel('Conv2D', 'wasm')).toBe(plain)
    const before = tf.memory().numDataBuffers
    for (const one of CASES) {
      const truth = expected.get(one[0]) as Float32Array[]
      run(one).forEach((values, part) => {
        expectClose(values, truth[part])
      })
    }
    expect(tf.memory().numDataBuffers).toBe(before)
  })

  it('registers once', () => {
    expect(registerFastConvolution(tf, kernels)).toBe(true)
    const fast = tf.getKernel('Conv2D', 'wasm')
    expect(registerFastConvolution(tf, kernels)).toBe(true)
    expect(tf.getKernel('Conv2D', 'wasm')).toBe(fast)
  })

  it.each(CASES)('convolves, and goes back to picture and filter, as the plain backend does: %s', (...one) => {
    const truth = expected.get(one[0]) as Float32Array[]
    run(one).forEach((values, part) => {
      expect(values).toHaveLength(truth[part].length)
      for (let i = 0; i < values.length; i++) expect(values[i]).toBeCloseTo(truth[part][i], 3)
    })
  })

  it('leaves dilated convolutions to the plain backend', () => {
    const [x, filter] = [values([1, 6, 6, 1], 1), values([3, 3, 1, 1], 2)] as [tf.Tensor4D, tf.Tensor4D]
    const dilated = tf.conv2d(x, filter, 1, 'valid', 'NHWC', 2)
    expect(dilated.shape).toEqual([1, 2, 2, 1])
    const apart = tf.conv2d(x, tf.tensor4d(spread(filter.dataSync()), [5, 5, 1, 1]), 1, 'valid')
    expectClose(dilated.dataSync(), apart.dataSync())
  })

  it('leaks no tensor', () => {
    const before = tf.memory().numTensors
    run(CASES[0])
    expect(tf.memory().numTensors).toBe(before)
  })
})

/** The result, and the gradients of its sum of squares. */
function run([, xShape, filterShape, stride, pad]: Case): Float32Array[] {
  return tf.tidy(() => {
    const [x, filter] = [values(xShape, 1) as tf.Tensor4D, values(filterShape, 2) as tf.Tensor4D]
    const convolve = (a: tf.Tensor, b: tf.Tensor) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, stride, pad)
    const gradients = tf.grads((a, b) => tf.sum(tf.square(convolve(a, b))))([x, filter])
    return [convolve(x, filter), ...gradients].map((tensor) => tensor.dataSync() as Float32Array)
  })
}

function values(shape: number[], seed: number): tf.Tensor {
  const rng = createRng(seed)
  return tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
    shape,
  )
}

/** A 3 x 3 filter with a zero between its weights. */
function spread(weights: ArrayLike<number>): number[] {
  const wide = new Array<number>(25).fill(0)
  for (let i = 0; i < 9; i++) wide[Math.floor(i / 3) * 10 + (i % 3) * 2] = weights[i]
  return wide
}

function expectClose(actual: ArrayLike<number>, truth: ArrayLike<number>): void {
  expect(actual).toHaveLength(truth.length)
  for (let i = 0; i < truth.length; i++) expect(actual[i]).toBeCloseTo(truth[i], 3)
}
