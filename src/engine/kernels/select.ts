import { EngineError } from '../errors.ts'
import type { Kernels } from './contract.ts'
import { createNativeKernels } from './native.ts'
import { createPortableKernels } from './portable.ts'
import { referenceKernels } from './reference.ts'

export interface LoadedKernels {
  readonly kernels: Kernels
  readonly name: string
  /** Faster implementations that this machine cannot run, and why. */
  readonly passedOver: readonly { readonly name: string; readonly reason: string }[]
}

/** The fastest kernels that work here: native, else WebAssembly with threads, else plain TypeScript. */
export async function loadKernels(): Promise<LoadedKernels> {
  const passedOver: { name: string; reason: string }[] = []
  const choices: [string, () => Kernels | Promise<Kernels>][] = [
    ['native', createNativeKernels],
    ['wasm', createPortableKernels],
  ]
  for (const [name, create] of choices) {
    try {
      const kernels = await create()
      return { kernels, name: kernels.name, passedOver }
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'KERNEL_UNAVAILABLE') throw error
      passedOver.push({ name, reason: error.message })
    }
  }
  return { kernels: referenceKernels, name: referenceKernels.name, passedOver }
}
