import { DomainError, invalid } from './errors.ts'

/** A page request, checked: `first` rows after the row whose sort key is `after`. */
export interface Page {
  readonly first: number
  readonly after?: readonly unknown[]
}

export interface PageResult<Row> {
  readonly rows: Row[]
  readonly hasNextPage: boolean
}

export const MAX_PAGE = 250

/** Refuses page sizes outside 1..250; the cursor is the keyset of the last row seen. */
export function checkPage(first: number, after: readonly unknown[] | undefined): Page {
  if (!Number.isInteger(first) || first < 1 || first > MAX_PAGE) {
    throw new DomainError('INVALID', `first must be 1 to ${MAX_PAGE}: got ${first}`, { path: ['first'] })
  }
  return { first, after }
}

/** What a connection answers to a cursor that it has not made, or made for another order. */
export const strangeCursor = () =>
  invalid('after must be a cursor that this connection returned in this order: got something else', 'after')

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The id at a place of a cursor. */
export function idOf(after: readonly unknown[], at = 0): string {
  const id = after[at]
  if (typeof id !== 'string' || !UUID.test(id)) throw strangeCursor()
  return id
}

/** The number at a place of a cursor. */
export function numberOf(after: readonly unknown[], at = 0): number {
  const value = after[at]
  if (typeof value !== 'number') throw strangeCursor()
  return value
}

/** The whole number at a place of a cursor, as a 32-bit column holds it. */
export function indexOf(after: readonly unknown[], at = 0): number {
  const index = numberOf(after, at)
  if ((index | 0) !== index) throw strangeCursor()
  return index
}

/** The instant at a place of a cursor. */
export function instantOf(after: readonly unknown[], at = 0): Date {
  const instant = new Date(typeof after[at] === 'string' ? (after[at] as string) : Number.NaN)
  if (Number.isNaN(instant.getTime())) throw strangeCursor()
  return instant
}

/** The text at a place of a cursor. */
export function textOf(after: readonly unknown[], at = 0): string {
  const text = after[at]
  if (typeof text !== 'string' || text.includes('\0')) throw strangeCursor()
  return text
}

/** Queries ask for one row more than the page, which tells whether there is a next one. */
export function cutPage<Row>(rows: Row[], first: number): PageResult<Row> {
  return { rows: rows.slice(0, first), hasNextPage: rows.length > first }
}

/** The query of one page of a project's rows, newest first: ids are made in the order of time. */
export const newestFirst = (projectId: string, { first, after }: Page) => ({
  where: { projectId, ...(after && { id: { lt: idOf(after) } }) },
  orderBy: { id: 'desc' as const },
  take: first + 1,
})

/** A count that stops at a cap, so that it never scans a large table. */
export interface CappedCount {
  readonly value: number
  readonly isExact: boolean
}

/** Enough to tell small from large; counting further would read the table. */
const MAX_COUNT = 100_000

/** Refuses caps below 1 and above 100,000. */
export function checkCap(cap: number): number {
  if (cap < 1 || cap > MAX_COUNT) throw invalid(`cap must be 1 to ${MAX_COUNT}: got ${cap}`, 'cap')
  return cap
}

export function cappedCount(counted: number, cap: number): CappedCount {
  return { value: Math.min(counted, cap), isExact: counted <= cap }
}
