import type { ClusterRun, Project } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { ConstraintClosure, type Statement } from './constraint-closure.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { newId, type Ref } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { newJob } from './jobs.ts'
import { matchClusters, type Overlap } from './match-clusters.ts'
import { lockProject } from './project-lock.ts'
import { reviewQueueJob } from './review-queue-build.ts'
import { violationsOf } from './run-violations.ts'
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
  let published: ClusterRun | undefined
  await onceOnly(
    app,
    viewer,
    'publishClusterRun',
    input,
    async (tx) => {
      const project = await lockProject(tx, projectId)
      await checkHead(tx, project, input.expectedLedgerRevision)
      const [run] = await tx.$queryRaw<(ClusterRun & { violated: number })[]>`
        /* publish: run */ SELECT r.*, (${violationsOf({ projectId, id: clusterRunId })}) AS "violated" FROM "ClusterRun" r
        WHERE r."projectId" = ${projectId}::uuid AND r."id" = ${clusterRunId}::uuid`
      if (!run) throw notFound('cluster run', clusterRunId)
      if (run.state !== 'READY') {
        throw new DomainError('INVALID_STATE', `only a READY run can be published: this one is ${run.state}`)
      }
      if (run.violated > 0) {
        throw new DomainError(
          'INVALID_STATE',
          `publishing would break ${run.violated} human decisions made since ledger revision ${run.ledgerRevision}, which this run honoured: start a new run`,
        )
      }
      await followClusters(tx, run, project.ledgerRevision)
      published = await showRun(tx, app, viewer, run)
      return { clusterRunId }
    },
    { isLong: true },
  )
  const where = { projectId_id: { projectId, id: clusterRunId } }
  return published ?? app.prisma.clusterRun.findUniqueOrThrow({ where })
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

/** A cluster and an identity of which it holds members; large clusters stand there without one too. */
interface ClusterOverlap extends Omit<Overlap, 'identityId'> {
  readonly size: number
  readonly identityId: string | null
}

/** Matches clusters to identities and moves MODEL memberships along, set by set. */
async function followClusters(tx: Tx, { projectId, id: runId }: Ref, ledgerRevision: number): Promise<void> {
  const found = await tx.$queryRaw<ClusterOverlap[]>`
    /* publish: overlaps */
    SELECT c."index" AS "clusterIndex", c."size", o."identityId", coalesce(o."anchors", 0) AS "anchors", coalesce(o."members", 0) AS "members"
    FROM "Cluster" c LEFT JOIN (
      SELECT v."clusterIndex", m."identityId", (count(*) FILTER (WHERE m."source" <> 'MODEL'))::int AS "anchors",
        count(*)::int AS "members"
      FROM "Vertex" v JOIN "IdentityMember" m ON m."projectId" = v."projectId" AND m."itemId" = v."itemId"
      WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid
      GROUP BY 1, 2) o ON o."clusterIndex" = c."index"
    WHERE c."projectId" = ${projectId}::uuid AND c."runId" = ${runId}::uuid AND (c."size" > 1 OR o."identityId" IS NOT NULL)
    ORDER BY 1`
  const identityOf = matchClusters(found.filter((row): row is ClusterOverlap & Overlap => row.identityId !== null))
  // Single vertices make no identity: they are the free items that ASSIGN asks about.
  const lonely = new Set(
    found.flatMap(({ clusterIndex, size }) => (size > 1 && !identityOf.has(clusterIndex) ? clusterIndex : [])),
  )
  const made = [...lonely].map((index) => ({ index, id: newId() }))
  const indexes = [...identityOf.keys(), ...made.map(({ index }) => index)]
  const identities = [...identityOf.values(), ...made.map(({ id }) => id)]
  await tx.$executeRaw`
    /* publish: matches */
    WITH made AS (
      INSERT INTO "Identity" ("projectId", "id") SELECT ${projectId}::uuid, unnest(${made.map(({ id }) => id)}::uuid[]))
    UPDATE "Cluster" c SET "identityId" = t.identity
    FROM unnest(${indexes}::int[], ${identities}::uuid[]) AS t(index, identity)
    WHERE c."projectId" = ${projectId}::uuid AND c."runId" = ${runId}::uuid AND c."index" = t.index`

  // What changes: free items and MODEL members go where their cluster went; a locked identity gains none, and who must not be
  // with a member that people placed stays out and is free. Event ids share the head of one UUIDv7, so that they sort by
  // time, and end in the item's own tail.
  const eventHead = newId().slice(0, 18)
  const barred = await findBarred(tx, projectId)
  await tx.$executeRaw`
    /* publish: memberships */
    WITH excluded AS (
      SELECT "leftItemId" AS item FROM "Constraint" WHERE "projectId" = ${projectId}::uuid AND "revokedById" IS NULL
        AND "kind" = 'EXCLUDED'
      UNION SELECT "id" FROM "Item" WHERE "projectId" = ${projectId}::uuid AND "erasedAt" IS NOT NULL),
    barred AS (
      SELECT DISTINCT * FROM unnest(${barred.map(({ itemId }) => itemId)}::uuid[],
        ${barred.map(({ identityId }) => identityId)}::uuid[]) AS t(item, identity)),
    goals AS (
      SELECT v."itemId", v."confidence", v."impact", m."identityId" AS "from", m."source" AS "fromSource",
        CASE WHEN b.item IS NULL THEN t."id" END AS "to"
      FROM "Vertex" v
      JOIN "Cluster" c ON c."projectId" = v."projectId" AND c."runId" = v."runId" AND c."index" = v."clusterIndex"
      LEFT JOIN "IdentityMember" m ON m."projectId" = v."projectId" AND m."itemId" = v."itemId"
      LEFT JOIN "Identity" f ON f."projectId" = v."projectId" AND f."id" = m."identityId"
      LEFT JOIN "Identity" t ON t."projectId" = v."projectId" AND t."id" = c."identityId" AND t."state" <> 'LOCKED'
      LEFT JOIN barred b ON b.item = v."itemId" AND b.identity = t."id"
      LEFT JOIN excluded x ON x.item = v."itemId"
      WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid AND x.item IS NULL
        AND (m."itemId" IS NULL OR (m."source" = 'MODEL' AND f."state" <> 'LOCKED'))),
    moves AS (
      INSERT INTO "MembershipEvent"
        ("projectId", "id", "ledgerRevision", "itemId", "fromIdentityId", "toIdentityId", "fromSource", "toSource", "runId")
      SELECT ${projectId}::uuid, (${eventHead} || right("itemId"::text, 18))::uuid, ${ledgerRevision}, "itemId", "from",
        "to", "fromSource", CASE WHEN "to" IS NOT NULL THEN 'MODEL'::"MembershipSource" END, ${runId}::uuid
      FROM goals WHERE "from" IS DISTINCT FROM "to"
      RETURNING "itemId", "toIdentityId"),
    leavers AS (
      DELETE FROM "IdentityMember" m USING moves e
      WHERE m."projectId" = ${projectId}::uuid AND m."itemId" = e."itemId" AND e."toIdentityId" IS NULL),
    stayers AS (
      -- They carry the confidence and impact of their new vertex: the orders of the identity page.
      UPDATE "IdentityMember" m
      SET "risk" = CASE WHEN m."source" = 'MODEL' THEN v."impact" ELSE 0 END, "confidence" = v."confidence"
      FROM "Vertex" v WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid
        AND m."projectId" = v."projectId" AND m."itemId" = v."itemId" AND (m."confidence" <> v."confidence"
          OR m."risk" <> CASE WHEN m."source" = 'MODEL' THEN v."impact" ELSE 0 END)
        AND NOT EXISTS (SELECT 1 FROM moves e WHERE e."itemId" = m."itemId"))
    INSERT INTO "IdentityMember" ("projectId", "itemId", "identityId", "source", "risk", "confidence")
    SELECT ${projectId}::uuid, "itemId", "toIdentityId", 'MODEL', g."impact", g."confidence"
    FROM moves JOIN goals g USING ("itemId") WHERE "toIdentityId" IS NOT NULL
    ON CONFLICT ("projectId", "itemId") DO UPDATE
      SET "identityId" = excluded."identityId", "source" = 'MODEL', "addedAt" = now(), "risk" = excluded."risk",
        "confidence" = excluded."confidence"`
  await refreshStatistics({ prisma: tx }, 'MembershipEvent', 'Cluster', 'IdentityMember', 'Identity')
  await refreshIdentities(tx, projectId, eventHead)
}

interface Barred {
  itemId: string
  identityId: string
}

/**
 * Items and the identities that they may not join: a cannot-link says so of one with a member that a person placed, for
 * all that must be together with that one. Only loose links are read, those of items that nobody has placed.
 */
async function findBarred(tx: Tx, projectId: string): Promise<Barred[]> {
  const rows = await tx.$queryRaw<(Statement & { left: string | null; right: string | null })[]>`
    /* publish: barred */
    SELECT x."id", x."kind", x."leftItemId", x."rightItemId", l."identityId" AS "left", r."identityId" AS "right"
    FROM "Constraint" x
    LEFT JOIN "IdentityMember" l ON l."projectId" = x."projectId" AND l."itemId" = x."leftItemId" AND l."source" <> 'MODEL'
    LEFT JOIN "IdentityMember" r ON r."projectId" = x."projectId" AND r."itemId" = x."rightItemId" AND r."source" <> 'MODEL'
    WHERE x."projectId" = ${projectId}::uuid AND x."revokedById" IS NULL AND x."kind" <> 'EXCLUDED'
      AND (l."itemId" IS NULL OR r."itemId" IS NULL)`
  const closure = new ConstraintClosure(rows)
  return rows.flatMap(({ kind, leftItemId, rightItemId, left, right }) => {
    if (kind !== 'CANNOT_LINK' || !rightItemId) return []
    const bar = (itemId: string, identityId: string | null) =>
      identityId ? closure.matesOf(itemId).map((mate) => ({ itemId: mate, identityId })) : []
    return [...bar(leftItemId, right), ...bar(rightItemId, left)]
  })
}

/** Counts, risk, cover and revision of identities; a proposed one that lost everybody is dissolved. */
async function refreshIdentities(tx: Tx, projectId: string, eventHead: string): Promise<void> {
  const [first, last] = [`${eventHead}-0000-000000000000`, `${eventHead}-ffff-ffffffffffff`]
  await tx.$executeRaw`
    /* publish: identities */
    WITH now_in AS (
      SELECT "identityId", count(*)::int AS n, sum("risk") AS risk,
        (array_agg("itemId" ORDER BY "confidence" DESC, "itemId"))[1] AS cover
      FROM "IdentityMember" WHERE "projectId" = ${projectId}::uuid GROUP BY 1
    ), changed AS (
      SELECT "fromIdentityId" AS id FROM "MembershipEvent"
        WHERE "projectId" = ${projectId}::uuid AND "id" BETWEEN ${first}::uuid AND ${last}::uuid
      UNION SELECT "toIdentityId" FROM "MembershipEvent"
        WHERE "projectId" = ${projectId}::uuid AND "id" BETWEEN ${first}::uuid AND ${last}::uuid
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

/** The run is the published one, and the one before is superseded; its questions are asked for, and the log says who did it. */
async function showRun(tx: Tx, app: App, viewer: Viewer, { projectId, id }: Ref): Promise<ClusterRun | undefined> {
  const job = newJob(reviewQueueJob, { projectId, payload: { runId: id }, createdById: viewer.userId })
  const runs = await tx.$queryRaw<ClusterRun[]>`
    /* publish: show */
    WITH project AS (
      UPDATE "Project" SET "publishedRunId" = ${id}::uuid WHERE "id" = ${projectId}::uuid),
    audit AS (
      INSERT INTO "AuditEvent" ("projectId", "id", "action", "actorId", "requestId", "targetType", "targetId")
      VALUES (${projectId}::uuid, ${newId()}::uuid, 'run.published', ${viewer.userId}::uuid, ${viewer.requestId}, 'ClusterRun', ${id})),
    job AS (
      INSERT INTO "Job" ("projectId", "id", "kind", "payload", "createdById")
      VALUES (${projectId}::uuid, ${job.id}::uuid, ${job.kind}, ${JSON.stringify(job.payload)}::jsonb, ${viewer.userId}::uuid))
    UPDATE "ClusterRun" SET "state" = CASE WHEN "id" = ${id}::uuid THEN 'PUBLISHED'::"ClusterRunState" ELSE 'SUPERSEDED' END,
      "publishedAt" = CASE WHEN "id" = ${id}::uuid THEN ${app.clock.now()}::timestamptz ELSE "publishedAt" END
    WHERE "projectId" = ${projectId}::uuid AND ("id" = ${id}::uuid OR "state" = 'PUBLISHED')
    RETURNING *`
  await app.queue.send(tx, { projectId, jobId: job.id })
  return runs.find((run) => run.id === id)
}
