import type { DecoderParameters } from '../decoder.ts'
import { EngineError } from '../errors.ts'

/** @throws EngineError BAD_OPTION when it is no number within [least, most]. */
export function numberOf(
  parameters: DecoderParameters,
  name: string,
  byDefault: number,
  [least, most]: readonly [number, number],
): number {
  const value = parameters[name] ?? byDefault
  if (typeof value === 'number' && value >= least && value <= most) return value
  throw new EngineError('BAD_OPTION', `${name} must be a number, ${least} to ${most}: got ${value}`)
}

/** @throws EngineError BAD_OPTION when it is no whole number within [least, most]. */
export function countOf(
  parameters: DecoderParameters,
  name: string,
  byDefault: number,
  range: readonly [number, number],
): number {
  const value = numberOf(parameters, name, byDefault, range)
  if (Number.isInteger(value)) return value
  throw new EngineError('BAD_OPTION', `${name} must be a whole number: got ${value}`)
}

/** @throws EngineError BAD_OPTION when it is none of these. */
export function choiceOf<T extends string>(
  parameters: DecoderParameters,
  name: string,
  byDefault: T,
  among: readonly T[],
): T {
  const value = parameters[name] ?? byDefault
  if (among.includes(value as T)) return value as T
  throw new EngineError('BAD_OPTION', `${name} must be one of ${among.join(', ')}: got ${value}`)
}
