import { Prisma } from '../generated/prisma/client.ts'

/**
 * A parameter whose value the planner cannot see. PostgreSQL plans a kept statement anew at every call as long as the values
 * promise a cheaper plan, which an empty list always does: a millisecond each time for the large statements of a batch of
 * answers. For statements whose one good plan is the same whatever the value.
 *
 * @param type the SQL type of the value, such as uuid[]
 */
export const unseen = (value: unknown, type: string): Prisma.Sql => {
  const cast = Prisma.raw(type)
  // The outer cast: ANY((SELECT ...)) alone would be the ANY of a subquery.
  return Prisma.sql`(SELECT ${value}::${cast})::${cast}`
}
