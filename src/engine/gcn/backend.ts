import * as tf from '@tensorflow/tfjs-core'
import { EngineError } from '../errors.ts'
import { registerFastConvolution } from '../kernels/fast-convolution.ts'
import { registerFastMatMul } from '../kernels/fast-mat-mul.ts'
import { loadKernels } from '../kernels/select.ts'

export type BackendName = 'tensorflow-gpu' | 'wasm' | 'cpu'

/** Where the networks run, and why nowhere faster. */
export interface BackendChoice {
  readonly name: BackendName
  /** Faster ones that this machine refused, in the order they were tried. */
  readonly passedOver: readonly { readonly backend: BackendName; readonly reason: string }[]
}

const ORDER: readonly {
  readonly backend: BackendName
  readonly tfName: string
  readonly load: () => Promise<unknown>
}[] = [
  { backend: 'tensorflow-gpu', tfName: 'tensorflow', load: loadNodeGpu },
  { backend: 'wasm', tfName: 'wasm', load: () => import('@tensorflow/tfjs-backend-wasm') },
  { backend: 'cpu', tfName: 'cpu', load: () => import('@tensorflow/tfjs-backend-cpu') },
]

/** On the stock wasm backend, products with a transposed operand and batches of products are 10-20 times slower. */
let hasSlowTransposes = false
let chosen: Promise<BackendChoice> | undefined

/**
 * Starts the fastest TensorFlow.js backend that works: CUDA through tfjs-node-gpu, else WebAssembly with SIMD, else
 * plain JavaScript. Tried once a thread; later calls get the same answer.
 *
 * @throws EngineError KERNEL_UNAVAILABLE when none starts, naming each reason.
 */
export function chooseBackend(): Promise<BackendChoice> {
  chosen ??= startFastest()
  return chosen
}

/** True where a transposed operand is better transposed by itself first. */
export function prefersExplicitTransposes(): boolean {
  return hasSlowTransposes
}

async function startFastest(): Promise<BackendChoice> {
  const passedOver: { backend: BackendName; reason: string }[] = []
  for (const { backend, tfName, load } of ORDER) {
    try {
      await load()
      if (!(await tf.setBackend(tfName))) throw new Error(`TensorFlow.js could not initialise ${tfName}`)
      await tf.ready()
      if (backend === 'wasm') {
        const { kernels } = await loadKernels()
        hasSlowTransposes = !registerFastMatMul(tf, kernels)
        registerFastConvolution(tf, kernels)
      }
      return { name: backend, passedOver }
    } catch (error) {
      passedOver.push({ backend, reason: firstLine(error) })
    }
  }
  const reasons = passedOver.map(({ backend, reason }) => `${backend}: ${reason}`).join('; ')
  throw new EngineError('KERNEL_UNAVAILABLE', `no TensorFlow.js backend starts on this machine: got ${reasons}`)
}

async function loadNodeGpu(): Promise<void> {
  // A name in a variable, since the package is optional: compilers must not ask for its types.
  const optional = '@tensorflow/tfjs-node-gpu'
  await import(optional)
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0].trim() || 'no reason given'
}
