import type { Constraints } from '../engine/index.ts'
import type { App } from './app.ts'
import type { ItemPair } from './review-questions.ts'

/** Boxes of one source image are compared with each other; a picture of a crowd has no more than this. */
const MOST_BOXES = 100

/** Items by the source image that they are boxes of, where an image has several. */
async function readShared(app: App, projectId: string, itemIds?: readonly string[]): Promise<Map<string, string[]>> {
  const rows = await app.prisma.$queryRaw<{ imageKey: string; itemIds: string[] }[]>`
    /* readSharedImages */
    SELECT "imageKey", array_agg("id"::text ORDER BY "id") AS "itemIds" FROM "Item"
    WHERE "projectId" = ${projectId}::uuid AND "imageKey" IS NOT NULL AND "box" IS NOT NULL AND "erasedAt" IS NULL
      AND (${itemIds ? [...itemIds] : null}::uuid[] IS NULL OR "id" = ANY(${itemIds ? [...itemIds] : null}::uuid[]))
    GROUP BY 1 HAVING count(*) > 1 ORDER BY 1`
  return new Map(rows.map(({ imageKey, itemIds }) => [imageKey, itemIds.slice(0, MOST_BOXES)]))
}

/** Questions that are not about two boxes of one source image: those can not be the same subject. */
export async function keepApartInImages<Asked extends ItemPair>(
  app: App,
  projectId: string,
  questions: readonly Asked[],
): Promise<Asked[]> {
  const itemIds = [...new Set(questions.flatMap(({ leftItemId, rightItemId }) => [leftItemId, rightItemId]))]
  const imageOf = new Map<string, string>()
  for (const [image, boxes] of await readShared(app, projectId, itemIds)) for (const id of boxes) imageOf.set(id, image)
  return questions.filter(({ leftItemId, rightItemId }) => {
    const image = imageOf.get(leftItemId)
    return image === undefined || image !== imageOf.get(rightItemId)
  })
}

/**
 * Constraints that also keep boxes of one source image apart. What people have said goes first: two boxes that must be
 * together, as in a collage, stay together.
 */
export async function addSameImageLinks(
  app: App,
  projectId: string,
  itemIds: readonly string[],
  constraints: Constraints,
): Promise<Constraints> {
  const indexOf = new Map(itemIds.map((id, index) => [id, index]))
  const group = Int32Array.from(itemIds.keys())
  const find = (v: number): number => {
    let root = v
    while (group[root] !== root) root = group[root] as number
    for (let at = v; at !== root; ) {
      const next = group[at] as number
      group[at] = root
      at = next
    }
    return root
  }
  for (let i = 0; i < constraints.mustLinks.length; i += 2) {
    group[find(constraints.mustLinks[i] as number)] = find(constraints.mustLinks[i + 1] as number)
  }
  const links: number[] = []
  for (const boxes of (await readShared(app, projectId)).values()) {
    const present = boxes.flatMap((id) => indexOf.get(id) ?? [])
    for (const [i, a] of present.entries()) {
      for (const b of present.slice(i + 1)) if (find(a) !== find(b)) links.push(a, b)
    }
  }
  return { ...constraints, cannotLinks: Int32Array.from([...constraints.cannotLinks, ...links]) }
}
