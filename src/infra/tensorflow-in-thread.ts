import { createRequire } from 'node:module'
import path from 'node:path'

const require = createRequire(import.meta.url)

export type TensorFlow = typeof import('@tensorflow/tfjs')

let started: Promise<TensorFlow> | undefined

/**
 * TensorFlow.js for models that others made, on WebAssembly with plain JavaScript behind it. Loaded as the packages that
 * build on it load it, so that there is one TensorFlow.js in a thread and not two.
 */
export function startTensorFlow(): Promise<TensorFlow> {
  started ??= (async () => {
    const tf = require('@tensorflow/tfjs') as TensorFlow
    // Its hints are about packages that are not wanted here.
    tf.enableProdMode()
    const wasm = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm')
    wasm.setWasmPaths(`${path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}${path.sep}`)
    if (!(await tf.setBackend('wasm'))) await tf.setBackend('cpu')
    await tf.ready()
    return tf
  })()
  return started
}

/** Runs on WebAssembly, and once more in plain JavaScript where an operation is missing there. */
export async function withFallback<Result>(tf: TensorFlow, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run()
  } catch (error) {
    if (!/not registered for the backend|not supported/i.test((error as Error).message) || tf.getBackend() === 'cpu') {
      throw error
    }
    await tf.setBackend('cpu')
    try {
      return await run()
    } finally {
      await tf.setBackend('wasm')
    }
  }
}
