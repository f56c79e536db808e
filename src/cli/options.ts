import { UsageError } from './errors.ts'

/** A whole number of at least `least`, for commander. */
export const wholeNumber =
  (name: string, least: number) =>
  (given: string): number => {
    const value = Number(given)
    if (!Number.isInteger(value) || value < least) {
      throw new UsageError(`${name} must be a whole number of at least ${least}: got ${given}`)
    }
    return value
  }

/** A number from `least` to `most`, for commander. */
export const numberBetween =
  (name: string, least: number, most: number) =>
  (given: string): number => {
    const value = Number(given)
    if (given.trim() === '' || !(value >= least && value <= most)) {
      throw new UsageError(`${name} must be a number from ${least} to ${most}: got ${given}`)
    }
    return value
  }

/** One of a few words, for commander. */
export const oneOf =
  <Word extends string>(name: string, words: readonly Word[]) =>
  (given: string): Word => {
    const word = words.find((word) => word === given.trim().toLowerCase())
    if (word === undefined) throw new UsageError(`${name} must be one of ${words.join(', ')}: got ${given}`)
    return word
  }

/** `name=value` pairs as parameters of a method: numbers and booleans are read as such. */
export function parameterPairs(given: readonly string[]): Record<string, number | string | boolean> {
  return Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new UsageError(`--set must be name=value: got ${pair}`)
      const value = pair.slice(at + 1)
      const number = Number(value)
      const read =
        value === 'true' ? true : value === 'false' ? false : value !== '' && !Number.isNaN(number) ? number : value
      return [pair.slice(0, at), read]
    }),
  )
}

export const list = (given: string): string[] =>
  given
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
