import type { ClusterRun, Project } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { matchClusters, type Overlap } from './match-clusters.ts'
import { lockProject } from './project-lock.ts'
import { enqueueQueueBuild } from './review-queue-build.ts'
import { countViolations } from './run-violations.ts'
import { refreshStatistics } from './statistics.ts'

export interface PublishClusterRun {
  projectId: string
  clusterRunId: string
  expectedLedgerRevision: number
  idempotencyKey: string
}

/** How many decisions a refusal of a stale head lists. */
const MAX_INTERVENING = 20

/**
 * Shows a ready run's proposals: matches its clusters to identities and lets MODEL memberships follow them. ENGINEER and
 * above. Nothing that a person placed moves; a locked identity neither gains nor loses.
 *
 * Refused when the ledger has moved on since the caller looked, or when the run would break any active decision.
 */
export async function publishClusterRun(app: App, viewer: Viewer, input: PublishClusterRun): Promise<ClusterRun> {
  const { projectId, clusterRunId } = input
  await requireAccess(app, viewer, projectId, 'run.publish')
  await onceOnly(app, viewer, 'publishClusterRun', input, async (tx) => {
    const project = await lockProject(tx, projectId)
    await checkHead(tx, project, input.expectedLedgerRevision)
    const run = await tx.clusterRun.findUnique({ where: { projectId_id: { projectId, id: clusterRunId } } })
    if (!run) throw notFound('cluster run', clusterRunId)
    if (run.state !== 'READY') {
      throw new DomainError('INVALID_STATE', `only a READY run can be published: this one is ${run.state}`)
    }
    const violated = await countViolations(tx, { projectId, id: clusterRunId })
    if (violated > 0) {
      throw new DomainError(
        'INVALID_STATE',
        `publishing would break ${violated} human decisions made since ledger revision ${run.ledgerRevision}, which this run honoured: start a new run`,
      )
    }
    await followClusters(tx, run, project.ledgerRevision)
    await showRun(tx, app, run)
    await enqueueQueueBuild(tx, app, { projectId, runId: run.id, createdById: viewer.userId })
    await recordAudit(tx, viewer, { projectId, action: 'run.published', target: ['ClusterRun', run.id] })
    return { clusterRunId }
  })
  return app.prisma.clusterRun.findUniqueOrThrow({ where: { projectId_id: { projectId, id: clusterRunId } } })
}

async function checkHead(tx: Tx, project: Project, expected: number): Promise<void> {
  const { id: projectId, ledgerRevision } = project
  if (expected > ledgerRevision) {
    throw invalid(
      `expectedLedgerRevision must be at most the head, ${ledgerRevision}: got ${expected}`,
      'input',
      'expectedLedgerRevision',
    )
  }
  if (expected === ledgerRevision) return
  const since = await tx.decision.findMany({
    where: { projectId, ledgerRevision: { gt: expected } },
    orderBy: { ledgerRevision: 'desc' },
    take: MAX_INTERVENING,
    select: { id: true },
  })
  throw new DomainError('STALE_REVISION', `the ledger is at revision ${ledgerRevision}: you saw ${expected}`, {
    path: ['input', 'expectedLedgerRevision'],
    projectId,
    currentRevision: ledgerRevision,
    interveningDecisionIds: since.map(({ id }) => id),
  })
}

/** Matches clusters to identities and moves MODEL memberships along, set by set. */
async function followClusters(tx: Tx, { projectId, id: runId }: Ref, ledgerRevision: number): Promise<void> {
  const overlaps = await tx.$queryRaw<Overlap[]>`
    /* publish: overlaps */
    SELECT v."clusterIndex", m."identityId",
      (count(*) FILTER (WHERE m."source" <> 'MODEL'))::int AS "anchors", count(*)::int AS "members"
    FROM "Vertex" v JOIN "IdentityMember" m ON m."projectId" = v."projectId" AND m."itemId" = v."itemId"
    WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid
    GROUP BY 1, 2`
  const identityOf = matchClusters(overlaps)
  const fresh = await tx.$queryRaw<{ index: number }[]>`
    /* publish: clusters */ SELECT "index" FROM "Cluster"
    WHERE "projectId" = ${projectId}::uuid AND "runId" = ${runId}::uuid AND "size" > 1 ORDER BY "index"`
  // Single vertices make no identity: they are the free items that ASSIGN asks about.
  const made = fresh.filter(({ index }) => !identityOf.has(index)).map(({ index }) => ({ index, id: newId() }))
  await tx.$executeRaw`
    /* publish: new identities */ INSERT INTO "Identity" ("projectId", "id")
    SELECT ${projectId}::uuid, unnest(${made.map(({ id }) => id)}::uuid[])`
  const indexes = [...identityOf.keys(), ...made.map(({ index }) => index)]
  const identities = [...identityOf.values(), ...made.map(({ id }) => id)]
  await tx.$executeRaw`
    /* publish: matches */ UPDATE "Cluster" c SET "identityId" = t.identity
    FROM unnest(${indexes}::int[], ${identities}::uuid[]) AS t(index, identity)
    WHERE c."projectId" = ${projectId}::uuid AND c."runId" = ${runId}::uuid AND c."index" = t.index`

  // What changes: free items and MODEL members go where their cluster went, unless a locked identity or a cannot-link
  // stands in the way. Event ids share the head of one UUIDv7, so that they sort by time, and end in the item's own tail.
  const eventHead = newId().slice(0, 18)
  await tx.$executeRaw`
    /* publish: membership events */
    INSERT INTO "MembershipEvent"
      ("projectId", "id", "ledgerRevision", "itemId", "fromIdentityId", "toIdentityId", "fromSource", "toSource", "runId")
    SELECT v."projectId", (${eventHead} || right(v."itemId"::text, 18))::uuid, ${ledgerRevision}, v."itemId",
      m."identityId", t."id", m."source", CASE WHEN t."id" IS NULL THEN NULL ELSE 'MODEL'::"MembershipSource" END,
      v."runId"
    FROM "Vertex" v
    JOIN "Cluster" c ON c."projectId" = v."projectId" AND c."runId" = v."runId" AND c."index" = v."clusterIndex"
    LEFT JOIN "IdentityMember" m ON m."projectId" = v."projectId" AND m."itemId" = v."itemId"
    LEFT JOIN "Identity" f ON f."projectId" = v."projectId" AND f."id" = m."identityId"
    LEFT JOIN "Identity" t ON t."projectId" = v."projectId" AND t."id" = c."identityId" AND t."state" <> 'LOCKED'
    WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid
      AND (m."itemId" IS NULL OR (m."source" = 'MODEL' AND f."state" <> 'LOCKED'))
      AND m."identityId" IS DISTINCT FROM t."id"
      AND NOT EXISTS (SELECT 1 FROM "Constraint" x WHERE x."projectId" = v."projectId" AND x."leftItemId" = v."itemId"
        AND x."kind" = 'EXCLUDED' AND x."revokedById" IS NULL)
      AND NOT EXISTS (
        SELECT 1 FROM "Constraint" x
        JOIN "IdentityMember" o ON o."projectId" = x."projectId" AND o."source" <> 'MODEL' AND o."identityId" = t."id"
          AND o."itemId" = CASE WHEN x."leftItemId" = v."itemId" THEN x."rightItemId" ELSE x."leftItemId" END
        WHERE x."projectId" = v."projectId" AND x."kind" = 'CANNOT_LINK' AND x."revokedById" IS NULL
          AND (x."leftItemId" = v."itemId" OR x."rightItemId" = v."itemId"))`
  await refreshStatistics({ prisma: tx }, 'MembershipEvent', 'Cluster')
  const changes = [projectId, runId, `${eventHead}%`] as const
  await tx.$executeRaw`
    /* publish: leavers */ DELETE FROM "IdentityMember" m USING "MembershipEvent" e
    WHERE e."projectId" = ${changes[0]}::uuid AND e."runId" = ${changes[1]}::uuid AND e."id"::text LIKE ${changes[2]}
      AND m."projectId" = e."projectId" AND m."itemId" = e."itemId" AND e."toIdentityId" IS NULL`
  await tx.$executeRaw`
    /* publish: joiners */
    INSERT INTO "IdentityMember" ("projectId", "itemId", "identityId", "source")
    SELECT e."projectId", e."itemId", e."toIdentityId", 'MODEL' FROM "MembershipEvent" e
    WHERE e."projectId" = ${changes[0]}::uuid AND e."runId" = ${changes[1]}::uuid AND e."id"::text LIKE ${changes[2]}
      AND e."toIdentityId" IS NOT NULL
    ON CONFLICT ("projectId", "itemId") DO UPDATE
      SET "identityId" = excluded."identityId", "source" = 'MODEL', "addedAt" = now()`
  await refreshStatistics({ prisma: tx }, 'IdentityMember', 'Identity')
  await refreshMembers(tx, { projectId, id: runId })
  await refreshIdentities(tx, projectId, `${eventHead}%`)
}

/** Members carry the confidence and impact of their vertex: the orders of the identity page. */
async function refreshMembers(tx: Tx, { projectId, id: runId }: Ref): Promise<void> {
  await tx.$executeRaw`
    /* publish: member risk */ UPDATE "IdentityMember" m
    SET "risk" = CASE WHEN m."source" = 'MODEL' THEN v."impact" ELSE 0 END, "confidence" = v."confidence"
    FROM "Vertex" v WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid
      AND m."projectId" = v."projectId" AND m."itemId" = v."itemId"
`
}

/** Counts, risk, cover and revision of identities; a proposed one that lost everybody is dissolved. */
async function refreshIdentities(tx: Tx, projectId: string, eventIds: string): Promise<void> {
  await tx.$executeRaw`
    /* publish: identities */
    WITH now_in AS (
      SELECT "identityId", count(*)::int AS n, sum("risk") AS risk,
        (array_agg("itemId" ORDER BY "confidence" DESC, "itemId"))[1] AS cover
      FROM "IdentityMember" WHERE "projectId" = ${projectId}::uuid GROUP BY 1
    ), changed AS (
      SELECT "fromIdentityId" AS id FROM "MembershipEvent"
        WHERE "projectId" = ${projectId}::uuid AND "id"::text LIKE ${eventIds}
      UNION SELECT "toIdentityId" FROM "MembershipEvent"
        WHERE "projectId" = ${projectId}::uuid AND "id"::text LIKE ${eventIds}
    )
    UPDATE "Identity" i SET
      "memberCount" = coalesce(s.n, 0), "risk" = coalesce(s.risk, 0),
      "coverItemId" = s.cover,
      "state" = CASE WHEN s.n IS NULL AND i."state" = 'PROPOSED' THEN 'DISSOLVED'::"IdentityState" ELSE i."state" END,
      "revision" = i."revision" + CASE WHEN c.id IS NULL THEN 0 ELSE 1 END,
      "updatedAt" = CASE WHEN c.id IS NULL THEN i."updatedAt" ELSE now() END
    FROM "Identity" j
      LEFT JOIN now_in s ON s."identityId" = j."id"
      LEFT JOIN changed c ON c.id = j."id"
    WHERE i."projectId" = ${projectId}::uuid AND j."projectId" = i."projectId" AND j."id" = i."id"
      AND i."state" NOT IN ('MERGED', 'DISSOLVED')
      AND (c.id IS NOT NULL OR i."risk" IS DISTINCT FROM coalesce(s.risk, 0) OR i."memberCount" <> coalesce(s.n, 0))`
}

async function showRun(tx: Tx, app: App, { projectId, id }: Ref): Promise<void> {
  await tx.clusterRun.updateMany({ where: { projectId, state: 'PUBLISHED' }, data: { state: 'SUPERSEDED' } })
  await tx.clusterRun.update({
    where: { projectId_id: { projectId, id } },
    data: { state: 'PUBLISHED', publishedAt: app.clock.now() },
  })
  await tx.project.update({ where: { id: projectId }, data: { publishedRunId: id } })
}
