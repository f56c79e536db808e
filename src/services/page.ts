import { DomainError } from './errors.ts'

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

/** Queries ask for one row more than the page, which tells whether there is a next one. */
export function cutPage<Row>(rows: Row[], first: number): PageResult<Row> {
  return { rows: rows.slice(0, first), hasNextPage: rows.length > first }
}

/** The query of one page of a project's rows, newest first: ids are made in the order of time. */
export const newestFirst = (projectId: string, { first, after }: Page) => ({
  where: { projectId, ...(after && { id: { lt: String(after[0]) } }) },
  orderBy: { id: 'desc' as const },
  take: first + 1,
})

/** A count that stops at a cap, so that it never scans a large table. */
export interface CappedCount {
  readonly value: number
  readonly isExact: boolean
}

export function cappedCount(counted: number, cap: number): CappedCount {
  return { value: Math.min(counted, cap), isExact: counted <= cap }
}
