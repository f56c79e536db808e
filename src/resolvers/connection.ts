import { checkPage, type Page, type PageResult, strangeCursor } from '../services/page.ts'

export interface PageArgs {
  first: number
  after?: string | null
}

/** A Relay connection; facts about the relation sit beside `node` on the edge. */
export interface Connection<Node, Extra = unknown> {
  edges: (Extra & { cursor: string; node: Node })[]
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
}

/** Checks `first` and reads the keyset out of `after`. */
export function pageOf({ first, after }: PageArgs): Page {
  return checkPage(first, after == null ? undefined : decodeCursor(after))
}

/** Cursors are the sort key of their row, so that a page never shifts when rows are added before it. */
export function encodeCursor(keyset: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(keyset)).toString('base64url')
}

function decodeCursor(cursor: string): readonly unknown[] {
  try {
    const keyset: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(keyset)) return keyset
  } catch {
    // Falls through to the refusal below.
  }
  throw strangeCursor()
}

/** Builds the connection of one page: `keysetOf` gives the sort key of a row, `nodeOf` its node and edge facts. */
export function toConnection<Row, Node, Extra extends object = object>(
  page: Page,
  { rows, hasNextPage }: PageResult<Row>,
  keysetOf: (row: Row) => readonly unknown[],
  nodeOf: (row: Row) => { node: Node } & Extra,
): Connection<Node, Extra> {
  const edges = rows.map((row) => ({ ...nodeOf(row), cursor: encodeCursor(keysetOf(row)) }))
  return {
    edges,
    pageInfo: {
      hasNextPage,
      hasPreviousPage: page.after !== undefined,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }
}

/** The connection of rows that are listed newest first: the id is the cursor. */
export const byId = <Row extends { id: string }>(page: Page, result: PageResult<Row>) =>
  toConnection(
    page,
    result,
    ({ id }) => [id],
    (node) => ({ node }),
  )
