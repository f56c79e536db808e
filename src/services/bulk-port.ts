import type { Prisma } from '../generated/prisma/client.ts'
import type { Tx } from './app.ts'

/** How the values of a column are written; an enum goes by its name. */
export type BulkType =
  | 'uuid'
  | 'text'
  | 'int4'
  | 'float4'
  | 'float8'
  | 'jsonb'
  | 'vector'
  | 'MembershipSource'
  | 'ConstraintKind'
  | 'IdentityState'

/** One column of many rows: a value for each row, or the same for all. Null and undefined are NULL. */
export type BulkColumn = { readonly type: BulkType } & (
  | { readonly values: ArrayLike<unknown> }
  | { readonly value: unknown }
)

/** Adds many rows in one statement, in the caller's transaction, the fastest way that the database has. */
export interface BulkWriter {
  /**
   * Columns that are left out take their default. `jsonb` takes anything that JSON can say, `vector` a Float32Array.
   *
   * @throws what the database throws, such as a unique violation: rows that may exist need another statement.
   */
  insert(tx: Tx, table: Prisma.ModelName, rows: number, columns: Readonly<Record<string, BulkColumn>>): Promise<void>
}
