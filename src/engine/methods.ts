import type { Method, TrainableMethod } from './methods/method.ts'
import { threshold } from './methods/threshold.ts'

/** Every comparison system that needs no training, in the order of tables. */
export const methods: readonly Method[] = [threshold]

/** Every comparison system that learns from labels first, in the order of tables. */
export const trainableMethods: readonly TrainableMethod[] = []

/** @returns undefined for a name that no method without training has. */
export const findMethod = (name: string): Method | undefined => methods.find((method) => method.name === name)
