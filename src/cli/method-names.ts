import { clusterMethods } from '../engine/index.ts'
import { UsageError } from './errors.ts'

/** gcn-ve, GCN_VE and gcn_ve are one name: the engine's. */
export function methodName(given: string): string {
  const name = given.trim().toUpperCase().replaceAll('-', '_')
  if (!clusterMethods().includes(name)) {
    throw new UsageError(`--method must be one of ${clusterMethods().map(commandName).join(', ')}: got ${given}`)
  }
  return name
}

export const commandName = (name: string) => name.toLowerCase().replaceAll('_', '-')
