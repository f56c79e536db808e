import { spawnSync } from 'node:child_process'
import type { Kernels } from '../../../src/engine/kernels/contract.ts'
import { createNativeKernels, nativeEngines } from '../../../src/engine/kernels/native.ts'
import { createPortableKernels } from '../../../src/engine/kernels/portable.ts'
import { referenceKernels } from '../../../src/engine/kernels/reference.ts'

const EMULATED = new URL('../../../native/build/kernels-emulated.node', import.meta.url)

/** Every implementation this machine can run; builds the addon where a compiler is. */
export async function implementations(): Promise<{ all: Kernels[]; missing: string[] }> {
  const all: Kernels[] = [referenceKernels, await createPortableKernels()]
  const missing: string[] = []
  const attempt = (name: string, add: () => void) => {
    try {
      add()
    } catch (error) {
      missing.push(`${name}: ${(error as Error).message}`)
    }
  }
  build([])
  attempt('native', () => {
    all.push(...nativeEngines().map((engine) => createNativeKernels({ engine })))
    all.push(createNativeKernels())
  })
  build(['--emulate'])
  attempt('engines in emulation', () => {
    for (const engine of nativeEngines(EMULATED).filter((name) => name !== 'scalar')) {
      all.push({ ...createNativeKernels({ engine, addon: EMULATED }), name: `native-${engine} in emulation` })
    }
  })
  return { all, missing }
}

function build(flags: string[]): void {
  spawnSync(process.execPath, ['scripts/build-native.mjs', ...flags], { stdio: 'ignore' })
}
