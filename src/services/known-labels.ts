import type { Labels } from '../engine/index.ts'
import type { App, Tx } from './app.ts'

/**
 * What people know of the given items, as labels for the engine: int32, one number an identity, -1 where nobody knows.
 * Only members that a person placed, or that follow from it, count: a model must not be measured on its own answers.
 */
export async function readKnownLabels(
  { prisma }: { prisma: App['prisma'] | Tx },
  projectId: string,
  itemIds: readonly string[],
): Promise<Labels> {
  const members = await prisma.identityMember.findMany({
    where: { projectId, source: { not: 'MODEL' } },
    select: { itemId: true, identityId: true },
  })
  const indexOf = new Map(itemIds.map((id, index) => [id, index]))
  const numbers = new Map<string, number>()
  const labels = new Int32Array(itemIds.length).fill(-1)
  for (const { itemId, identityId } of members) {
    const index = indexOf.get(itemId)
    if (index === undefined) continue
    let number = numbers.get(identityId)
    if (number === undefined) {
      number = numbers.size
      numbers.set(identityId, number)
    }
    labels[index] = number
  }
  return labels
}
