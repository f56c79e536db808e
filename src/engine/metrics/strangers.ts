import type { Labels } from '../types.ts'

/**
 * Known classes as they are, and every vertex that is not known as a class of its own: company that a cluster takes in counts against it.
 *
 * Where some of the company does belong to known classes that is too strict, on the safe side: what splits a class loses recall as
 * well, and what merges is found out even by few known classes, of which no two may happen to be alike.
 *
 * @param labels int32 [n]; below 0 = not known
 * @returns the same labels where all are known; strangers have numbers above all known ones
 */
export function asStrangers(labels: Labels): Labels {
  if (!labels.some((label) => label < 0)) return labels
  let next = labels.reduce((most, label) => Math.max(most, label), -1) + 1
  return Int32Array.from(labels, (label) => (label < 0 ? next++ : label))
}
