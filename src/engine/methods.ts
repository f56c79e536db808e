import { aro } from './methods/aro.ts'
import { cdp } from './methods/cdp.ts'
import { cdpVoted } from './methods/cdp-voted.ts'
import { chineseWhispers } from './methods/chinese-whispers.ts'
import { dbscanMethod } from './methods/dbscan.ts'
import { fcEs } from './methods/fc-es.ts'
import { hac } from './methods/hac.ts'
import { infomap } from './methods/infomap.ts'
import { kMeans } from './methods/k-means.ts'
import { lGcn } from './methods/l-gcn.ts'
import { ltc } from './methods/ltc.ts'
import { meanShiftMethod } from './methods/mean-shift.ts'
import type { Method, TrainableMethod } from './methods/method.ts'
import { spectral } from './methods/spectral.ts'
import { structure } from './methods/structure.ts'
import { threshold } from './methods/threshold.ts'

/** Every comparison system that needs no training, in the order of tables. */
export const methods: readonly Method[] = [
  infomap,
  fcEs,
  chineseWhispers,
  hac,
  aro,
  cdp,
  dbscanMethod,
  threshold,
  kMeans,
  spectral,
  meanShiftMethod,
]

/** Every comparison system that learns from labels first, in the order of tables. */
export const trainableMethods: readonly TrainableMethod[] = [structure, cdpVoted, lGcn, ltc]

/** @returns undefined for a name that no method without training has. */
export const findMethod = (name: string): Method | undefined => methods.find((method) => method.name === name)

/** @returns undefined for a name that no trainable method has. */
export const findTrainable = (name: string): TrainableMethod | undefined =>
  trainableMethods.find((method) => method.name === name)

/**
 * Methods that AUTO compares where nobody says which: a training must not take much longer for it.
 *
 * @param n labelled rows
 */
export function offeredContenders(n: number): string[] {
  const offered: readonly (Pick<Method, 'name'> & { readonly contendsUpTo?: number })[] = [
    ...trainableMethods,
    ...methods,
  ]
  return offered.filter(({ contendsUpTo = 0 }) => n <= contendsUpTo).map(({ name }) => name)
}

/**
 * Place of a method in the order of simplicity: where two are equal within the noise, the simpler one is taken (the rule of one
 * standard error, [BREIMAN84] section 3.4.3). What learns nothing comes first, in the order of tables.
 */
export function simplicityRank({
  name,
  isLearned = false,
}: {
  readonly name: string
  readonly isLearned?: boolean
}): number {
  const order = [...methods, ...trainableMethods].map((method) => method.name)
  return order.indexOf(name) + (isLearned ? order.length : 0)
}
