import { type Item, Prisma } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { invalid } from './errors.ts'
import { type CappedCount, cappedCount, checkCap, cutPage, idOf, type Page, type PageResult } from './page.ts'

/** Filter of items; all parts must hold. */
export interface ItemFilter {
  unassigned?: boolean | null
  externalKeys?: string[] | null
  /** Vertex confidence at most this in the published run. */
  maxConfidence?: number | null
}

const MAX_KEYS = 250

function whereOf(projectId: string, filter: ItemFilter, publishedRunId: string | null): Prisma.Sql {
  const parts = [Prisma.sql`i."projectId" = ${projectId}::uuid AND i."erasedAt" IS NULL`]
  if (filter.externalKeys) {
    if (filter.externalKeys.length > MAX_KEYS) {
      throw invalid(
        `externalKeys must be at most ${MAX_KEYS}: got ${filter.externalKeys.length}`,
        'filter',
        'externalKeys',
      )
    }
    parts.push(Prisma.sql`i."externalKey" = ANY(${filter.externalKeys}::text[])`)
  }
  if (filter.unassigned != null) {
    const member = Prisma.sql`EXISTS (
      SELECT 1 FROM "IdentityMember" m WHERE m."projectId" = i."projectId" AND m."itemId" = i."id")`
    parts.push(filter.unassigned ? Prisma.sql`NOT ${member}` : member)
  }
  if (filter.maxConfidence != null) {
    // Without a published run no item has a confidence, so none is at most anything.
    parts.push(
      publishedRunId
        ? Prisma.sql`EXISTS (
            SELECT 1 FROM "Vertex" v WHERE v."projectId" = i."projectId" AND v."runId" = ${publishedRunId}::uuid
            AND v."itemId" = i."id" AND v."confidence" <= ${Math.fround(filter.maxConfidence)}::real)`
        : Prisma.sql`false`,
    )
  }
  return Prisma.join(parts, ' AND ')
}

async function findPublishedRun(app: App, projectId: string, filter: ItemFilter): Promise<string | null> {
  if (filter.maxConfidence == null) return null
  const project = await app.prisma.project.findUnique({ where: { id: projectId }, select: { publishedRunId: true } })
  return project?.publishedRunId ?? null
}

/** Items, newest first; erased ones are left out. */
export async function listItems(
  app: App,
  viewer: Viewer,
  projectId: string,
  { first, after }: Page,
  filter: ItemFilter = {},
): Promise<PageResult<Item>> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const where = whereOf(projectId, filter, await findPublishedRun(app, projectId, filter))
  const rest = after ? Prisma.sql`AND i."id" < ${idOf(after)}::uuid` : Prisma.empty
  const rows = await app.prisma.$queryRaw<Item[]>`
    /* listItems */ SELECT i.* FROM "Item" i WHERE ${where} ${rest} ORDER BY i."id" DESC LIMIT ${first + 1}`
  return cutPage(rows, first)
}

/** How many items pass the filter, counted up to the cap. */
export async function countItems(
  app: App,
  viewer: Viewer,
  projectId: string,
  filter: ItemFilter,
  cap: number,
): Promise<CappedCount> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const where = whereOf(projectId, filter, await findPublishedRun(app, projectId, filter))
  const [row] = await app.prisma.$queryRaw<{ n: number }[]>`
    /* countItems */ SELECT count(*)::int AS n FROM (SELECT 1 FROM "Item" i WHERE ${where} LIMIT ${checkCap(cap) + 1}) s`
  return cappedCount(row?.n ?? 0, cap)
}
