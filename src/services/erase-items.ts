import { z } from 'zod'
import type { Item, Job, Prisma } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { invalid, notFound } from './errors.ts'
import { newId } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { defineJob } from './job-definition.ts'
import { enqueueJob } from './jobs.ts'
import { lockProject } from './project-lock.ts'

const BOX = z.object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() })

/** Removes from the file store, from frozen datasets and from exports what erased items have left there. */
export const eraseFilesJob = defineJob({
  name: 'erase_files',
  payload: z.object({
    itemIds: z.array(z.uuid()),
    images: z.array(z.object({ imageKey: z.string(), box: BOX.nullable() })),
  }),
  maxAttempts: 10,
})

export interface EraseItems {
  projectId: string
  itemIds: string[]
  reason: string
  idempotencyKey: string
}

const MAX_ITEMS = 250
const MAX_REASON = 500

/**
 * Erases items for privacy, at most 250: picture, vectors, metadata and membership go, and no question shows them any more.
 * ADMIN only. A tombstone with id and external key stays, so that constraints stay whole and the item does not come back by
 * the next import. What lies in files goes by the job that is returned; what was erased before is left as it is.
 */
export async function eraseItems(
  app: App,
  viewer: Viewer,
  input: EraseItems,
): Promise<{ items: Item[]; job: Job | null }> {
  const { projectId, itemIds } = input
  await requireAccess(app, viewer, projectId, 'item.erase')
  if (itemIds.length < 1 || itemIds.length > MAX_ITEMS) {
    throw invalid(`itemIds must be 1 to ${MAX_ITEMS}: got ${itemIds.length}`, 'input', 'itemIds')
  }
  const reason = input.reason.trim()
  if (reason.length < 1 || reason.length > MAX_REASON) {
    throw invalid(`reason must have 1 to ${MAX_REASON} characters: got ${reason.length}`, 'input', 'reason')
  }
  const { jobId } = await onceOnly(app, viewer, 'eraseItems', input, async (tx) => {
    const { ledgerRevision } = await lockProject(tx, projectId)
    const rows = await tx.item.findMany({ where: { projectId, id: { in: itemIds } } })
    const missing = itemIds.find((id) => !rows.some((row) => row.id === id))
    if (missing) throw notFound('item', missing)
    const items = rows.filter(({ erasedAt }) => erasedAt === null)
    const ids = items.map(({ id }) => id)
    if (ids.length === 0) return { jobId: null }
    const job = await enqueueJob(tx, app, eraseFilesJob, {
      projectId,
      payload: {
        itemIds: ids,
        images: items.flatMap(({ imageKey, box }) =>
          imageKey ? [{ imageKey, box: box as z.infer<typeof BOX> | null }] : [],
        ),
      },
      createdById: viewer.userId,
    })
    await clearItems(tx, projectId, ids, app.clock.now())
    await leaveIdentities(tx, projectId, ids, ledgerRevision)
    await clearQuestions(tx, projectId, new Set(ids))
    await tx.auditEvent.createMany({
      data: ids.map((id) => ({
        projectId,
        id: newId(),
        action: 'item.erased',
        actorId: viewer.userId,
        requestId: viewer.requestId,
        targetType: 'Item',
        targetId: id,
        detail: { reason },
      })),
    })
    return { jobId: job.id }
  })
  const items = await app.prisma.item.findMany({ where: { projectId, id: { in: itemIds } }, orderBy: { id: 'asc' } })
  const job = jobId && (await app.prisma.job.findUnique({ where: { projectId_id: { projectId, id: jobId } } }))
  return { items, job: job || null }
}

/** What of the item itself says who it is, and its vectors in every space. */
async function clearItems(tx: Tx, projectId: string, ids: string[], erasedAt: Date): Promise<void> {
  await tx.$executeRaw`
    /* eraseItems: vectors */ DELETE FROM "Embedding" e USING "EmbeddingSpace" s
    WHERE s."projectId" = ${projectId}::uuid AND e."projectId" = s."projectId" AND e."spaceId" = s."id"
      AND e."itemId" = ANY(${ids}::uuid[])`
  await tx.$executeRaw`
    /* eraseItems: items */ UPDATE "Item" SET "imageKey" = NULL, "width" = 0, "height" = 0, "box" = NULL,
      "metadata" = NULL, "erasedAt" = ${erasedAt}
    WHERE "projectId" = ${projectId}::uuid AND "id" = ANY(${ids}::uuid[])`
}

/** Takes items out of their identities as a member that leaves, so that the past can still be replayed. */
async function leaveIdentities(tx: Tx, projectId: string, ids: string[], ledgerRevision: number): Promise<void> {
  const members = await tx.identityMember.findMany({ where: { projectId, itemId: { in: ids } } })
  await tx.membershipEvent.createMany({
    data: members.map(({ itemId, identityId, source }) => ({
      projectId,
      id: newId(),
      ledgerRevision,
      itemId,
      fromIdentityId: identityId,
      fromSource: source,
    })),
  })
  await tx.identityMember.deleteMany({ where: { projectId, itemId: { in: ids } } })
  const identities = [...new Set(members.map(({ identityId }) => identityId))]
  await tx.$executeRaw`
    /* eraseItems: identities */
    UPDATE "Identity" i SET "revision" = i."revision" + 1, "updatedAt" = now(), "memberCount" = coalesce(s.n, 0),
      "risk" = coalesce(s.risk, 0), "coverItemId" = s.cover
    FROM unnest(${identities}::uuid[]) AS t(id)
    LEFT JOIN (
      SELECT "identityId", count(*)::int AS n, sum("risk") AS risk,
        (array_agg("itemId" ORDER BY "confidence" DESC, "itemId"))[1] AS cover
      FROM "IdentityMember" WHERE "projectId" = ${projectId}::uuid AND "identityId" = ANY(${identities}::uuid[])
      GROUP BY 1) s ON s."identityId" = t.id
    WHERE i."projectId" = ${projectId}::uuid AND i."id" = t.id`
}

/** The same JSON without the ids that stand in lists of it, whatever its shape. */
export function withoutIds(json: Prisma.JsonValue, ids: ReadonlySet<string>): Prisma.JsonValue {
  if (Array.isArray(json)) {
    return json
      .filter((part) => !(typeof part === 'string' && ids.has(part)))
      .map((part) => withoutIds(part as Prisma.JsonValue, ids))
  }
  if (json === null || typeof json !== 'object') return json
  return Object.fromEntries(
    Object.entries(json).map(([name, part]) => [name, withoutIds(part as Prisma.JsonValue, ids)]),
  )
}

/** Questions about the items are obsolete; panels of others show them no more. */
async function clearQuestions(tx: Tx, projectId: string, ids: ReadonlySet<string>): Promise<void> {
  const list = [...ids]
  await tx.$executeRaw`
    /* eraseItems: questions */ UPDATE "ReviewTask" SET "state" = 'OBSOLETE', "leaseExpiresAt" = NULL,
      "revision" = "revision" + 1, "updatedAt" = now()
    WHERE "projectId" = ${projectId}::uuid AND "state" IN ('PENDING', 'LEASED', 'ANSWERED', 'DISPUTED')
      AND ("leftItemId" = ANY(${list}::uuid[]) OR "rightItemId" = ANY(${list}::uuid[]))`
  const shown = await tx.$queryRaw<{ id: string; panels: Prisma.JsonValue }[]>`
    /* eraseItems: panels */ SELECT "id", "panels" FROM "ReviewTask"
    WHERE "projectId" = ${projectId}::uuid
      -- Each panel is walked once, however many items are erased.
      AND EXISTS (SELECT 1 FROM jsonb_path_query("panels", 'strict $.** ? (@.type() == "string")') AS p(part)
        WHERE p.part #>> '{}' = ANY(${list}::text[]))`
  const rest = shown.map(({ id, panels }) => ({ id, panels: withoutIds(panels, ids) }))
  await tx.$executeRaw`
    /* eraseItems: clear panels */ UPDATE "ReviewTask" t SET "panels" = r."panels", "revision" = t."revision" + 1
    FROM jsonb_to_recordset(${JSON.stringify(rest)}::jsonb) AS r("id" uuid, "panels" jsonb)
    WHERE t."projectId" = ${projectId}::uuid AND t."id" = r."id"`
}
