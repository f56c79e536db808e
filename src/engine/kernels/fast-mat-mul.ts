import type { BatchMatMulAttrs, KernelConfig, TensorInfo } from '@tensorflow/tfjs-core'
import { EngineError } from '../errors.ts'
import type { Kernels } from './contract.ts'

/** The parts of TensorFlow.js that a kernel is registered through. */
interface TensorFlow {
  getKernel(name: string, backend: string): KernelConfig | undefined
  registerKernel(config: KernelConfig): void
  unregisterKernel(name: string, backend: string): void
}

/** The parts of the wasm backend in use: tensors lie on one heap, found by their offset. */
interface WasmBackend {
  readonly wasm: { readonly HEAPU8: Uint8Array<ArrayBuffer> }
  readonly dataIdMap: { get(dataId: object): { memoryOffset: number | null } }
  makeOutput(shape: number[], dtype: 'float32'): TensorInfo
}

const KERNEL = 'BatchMatMul'
const BACKEND = 'wasm'

/**
 * Puts native products behind `tf.matMul` on the wasm backend, on the backend's own heap, so that nothing is copied.
 *
 * Model code stays plain TensorFlow.js. Returns false, and changes nothing, when the kernels have no `gemm` or the
 * wasm backend is not there. Calling it twice registers once.
 */
export function registerFastMatMul(tf: TensorFlow, kernels: Kernels): boolean {
  const { gemm } = kernels
  const plain = tf.getKernel(KERNEL, BACKEND)
  if (!gemm || !plain) return false
  if (registered.has(plain)) return true

  const kernelFunc: KernelConfig['kernelFunc'] = ({ inputs, attrs, backend }) => {
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo }
    const { transposeA, transposeB } = attrs as unknown as BatchMatMulAttrs
    if (a.dtype !== 'float32' || b.dtype !== 'float32') {
      return plain.kernelFunc({ inputs, attrs, backend })
    }
    const [m, k] = lastTwo(a.shape, transposeA)
    const [kOfB, n] = lastTwo(b.shape, transposeB)
    if (k !== kOfB) {
      throw new EngineError(
        'SHAPE_MISMATCH',
        `matMul needs equal inner sizes: got ${k} and ${kOfB} of shapes ${a.shape} and ${b.shape}`,
      )
    }
    const [batchA, batchB] = [product(a.shape.slice(0, -2)), product(b.shape.slice(0, -2))]
    // One batch size must be the other, or 1; products that broadcast within a batch go the plain way.
    if (batchA !== batchB && batchA !== 1 && batchB !== 1) return plain.kernelFunc({ inputs, attrs, backend })
    if (batchA === batchB && batchA > 1 && String(a.shape.slice(0, -2)) !== String(b.shape.slice(0, -2))) {
      return plain.kernelFunc({ inputs, attrs, backend })
    }
    const batch = Math.max(batchA, batchB)
    const outer = batchA >= batchB && a.shape.length >= b.shape.length ? a.shape : b.shape
    const host = backend as unknown as WasmBackend
    // The output first: it may grow the heap, which detaches every view made before.
    const out = host.makeOutput([...outer.slice(0, -2), m, n], 'float32')
    if (batch * m * n === 0) return out
    const view = (info: TensorInfo, length: number) => {
      const { memoryOffset } = host.dataIdMap.get(info.dataId)
      return new Float32Array(host.wasm.HEAPU8.buffer, memoryOffset ?? 0, length)
    }
    // Left operands that share the right one are one tall product.
    const isTall = batchB === 1 && !transposeA
    gemm(view(a, batchA * m * k), view(b, batchB * k * n), view(out, batch * m * n), {
      m: isTall ? batch * m : m,
      n,
      k,
      transposeA,
      transposeB,
      batch: isTall ? 1 : batch,
      strideA: batchA === 1 ? 0 : m * k,
      strideB: batchB === 1 ? 0 : k * n,
    })
    return out
  }

  const fast: KernelConfig = { ...plain, kernelFunc }
  registered.add(fast)
  tf.unregisterKernel(KERNEL, BACKEND)
  tf.registerKernel(fast)
  return true
}

/** Kernels that this file made. */
const registered = new WeakSet<KernelConfig>()

function lastTwo(shape: number[], transpose: boolean): [number, number] {
  const [rows, cols] = shape.slice(-2)
  return transpose ? [cols, rows] : [rows, cols]
}

const product = (sizes: number[]) => sizes.reduce((all, size) => all * size, 1)
