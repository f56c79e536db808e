import { knn, mapProbability, normalizeRows } from '../engine/index.ts'
import type { App } from '../services/app.ts'
import { drawAudit } from '../services/audit-draw.ts'
import { latestCalibration, type ProbabilityMaps, probabilityMaps } from '../services/calibration.ts'
import { readEmbeddings } from '../services/embedding-matrix.ts'
import { drawGold } from '../services/gold-draw.ts'
import { newId } from '../services/id.ts'
import {
  collapseDuplicates,
  DecidedPairs,
  type EdgeFacts,
  groupAssignments,
  groupOutliers,
  keepUndecided,
  type MergeFacts,
  type PairQuestion,
  type PanelVertex,
  panelsOf,
  type QueuedQuestion,
  questionKey,
} from '../services/review-questions.ts'
import { reviewQueueJob } from '../services/review-queue-build.ts'
import { findReviewSettings, type ReviewSettings } from '../services/review-settings.ts'
import { readLedger } from '../services/run-constraints.ts'
import { keepApartInImages } from '../services/same-image.ts'
import { getActiveSpace } from '../services/similarity.ts'
import { refreshStatistics } from '../services/statistics.ts'
import { implementJob } from './implement-job.ts'

/** Questions of each kind that a run puts in the queue: far more than a team answers before the next run. */
const MAX_QUESTIONS = 2_000
/** Questions that remove less than this many expected wrong pairs are not worth a person's time. */
const MIN_PRIORITY = 0.05
/** Near-duplicates looked for of each item. */
const DUPLICATE_NEIGHBOURS = 12

async function findEdges(app: App, projectId: string, runId: string, below: number): Promise<EdgeFacts[]> {
  return app.prisma.$queryRaw<EdgeFacts[]>`
    /* findEdgeQuestions */
    SELECT 'EDGE' AS "kind", v."itemId" AS "leftItemId", u."itemId" AS "rightItemId", v."index" AS "childIndex",
      u."index" AS "parentIndex", v."parentSimilarity"::float8 AS "similarity",
      v."parentProbability"::float8 AS "probability", v."impact" AS "priority", v."subtreeSize", v."clusterIndex"
    FROM "Vertex" v JOIN "Vertex" u ON u."projectId" = v."projectId" AND u."runId" = v."runId" AND u."index" = v."parentIndex"
    LEFT JOIN "IdentityMember" l ON l."projectId" = v."projectId" AND l."itemId" = v."itemId"
    LEFT JOIN "IdentityMember" r ON r."projectId" = v."projectId" AND r."itemId" = u."itemId"
    WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid AND v."impact" >= ${MIN_PRIORITY}
      AND v."parentProbability" < ${below}
      -- A link across identities splits nothing: whatever the run proposes, its ends are apart.
      AND l."identityId" IS NOT DISTINCT FROM r."identityId"
    ORDER BY v."impact" DESC, v."index" LIMIT ${4 * MAX_QUESTIONS}`
}

async function findMerges(app: App, projectId: string, runId: string): Promise<MergeFacts[]> {
  return app.prisma.$queryRaw<MergeFacts[]>`
    /* findMergeQuestions */
    SELECT 'MERGE' AS "kind", v."itemId" AS "leftItemId", u."itemId" AS "rightItemId", e."childIndex", e."parentIndex",
      e."similarity"::float8 AS "similarity", e."probability"::float8 AS "probability", e."priority",
      a."size" AS "childClusterSize", b."size" AS "parentClusterSize"
    FROM "MergeEdge" e
    JOIN "Vertex" v ON v."projectId" = e."projectId" AND v."runId" = e."runId" AND v."index" = e."childIndex"
    JOIN "Vertex" u ON u."projectId" = e."projectId" AND u."runId" = e."runId" AND u."index" = e."parentIndex"
    JOIN "Cluster" a ON a."projectId" = v."projectId" AND a."runId" = v."runId" AND a."index" = v."clusterIndex"
    JOIN "Cluster" b ON b."projectId" = u."projectId" AND b."runId" = u."runId" AND b."index" = u."clusterIndex"
    LEFT JOIN "IdentityMember" l ON l."projectId" = v."projectId" AND l."itemId" = v."itemId"
    LEFT JOIN "IdentityMember" r ON r."projectId" = u."projectId" AND r."itemId" = u."itemId"
    WHERE e."projectId" = ${projectId}::uuid AND e."runId" = ${runId}::uuid AND e."priority" >= ${MIN_PRIORITY}
      AND (l."identityId" IS NULL OR l."identityId" IS DISTINCT FROM r."identityId")
    ORDER BY e."priority" DESC, e."leftCluster", e."rightCluster" LIMIT ${4 * MAX_QUESTIONS}`
}

/** What answers say of the model's probabilities; priorities are in proportion to them. */
function recalibrate<Asked extends PairQuestion>(questions: readonly Asked[], maps: ProbabilityMaps): Asked[] {
  return questions
    .map((question) => {
      const { kind, probability: before, priority } = question
      const probability = mapProbability(kind === 'EDGE' ? maps.link : maps.merge, before)
      const change =
        kind === 'EDGE' ? (1 - probability) / Math.max(1e-6, 1 - before) : probability / Math.max(1e-6, before)
      return { ...question, probability, priority: priority * change }
    })
    .filter(({ priority }) => priority >= MIN_PRIORITY)
    .sort((a, b) => b.priority - a.priority)
}

/** The item that stands for an item and those that look the same: of each such group the one asked about first. */
async function findLeaders(
  app: App,
  projectId: string,
  questions: readonly PairQuestion[],
  similarity: number,
): Promise<(itemId: string) => string> {
  const wanted = [...new Set(questions.flatMap(({ leftItemId, rightItemId }) => [leftItemId, rightItemId]))]
  if (wanted.length < 3 || similarity >= 1) return (itemId) => itemId
  const space = await getActiveSpace(app, projectId)
  const { itemIds, matrix } = await readEmbeddings(app, space, wanted)
  const lists = await knn(await normalizeRows(matrix), Math.min(DUPLICATE_NEIGHBOURS, itemIds.length - 1))
  const rowOf = new Map(itemIds.map((itemId, row) => [itemId, row]))
  const leaders = new Map<string, string>()
  for (const itemId of wanted) {
    const row = rowOf.get(itemId)
    let leader = itemId
    if (row !== undefined) {
      for (let e = row * lists.k; e < (row + 1) * lists.k; e++) {
        const near = itemIds[lists.ids[e] as number]
        if (near === undefined || (lists.similarities[e] as number) < similarity) break
        // Only what stands for itself may stand for others: groups do not chain.
        if (leaders.get(near) !== near) continue
        leader = near
        break
      }
    }
    leaders.set(itemId, leader)
  }
  return (itemId) => leaders.get(itemId) ?? itemId
}

/** Everything that the priority order asks, most urgent first. */
async function findQuestions(
  app: App,
  projectId: string,
  runId: string,
  decided: DecidedPairs,
  settings: ReviewSettings,
): Promise<QueuedQuestion[]> {
  const calibration = await latestCalibration(app, projectId)
  const maps = probabilityMaps(calibration)
  // What is accepted without a person is not asked.
  const below = calibration?.runId === runId ? (calibration.threshold ?? 2) : 2
  const edges = recalibrate(keepUndecided(await findEdges(app, projectId, runId, below), decided), maps)
  const open = recalibrate(keepUndecided(await findMerges(app, projectId, runId), decided), maps)
  const merges = settings.isSameImageApart ? await keepApartInImages(app, projectId, open) : open
  const leaderOf = await findLeaders(app, projectId, [...edges, ...merges], settings.nearDuplicateSimilarity)
  const roots = await app.prisma.$queryRaw<{ cluster: number; index: number; itemId: string; size: number }[]>`
    /* buildReviewQueue: roots */
    SELECT c."index" AS "cluster", v."index", v."itemId", c."size" FROM "Cluster" c
    JOIN "Vertex" v ON v."projectId" = c."projectId" AND v."runId" = c."runId" AND v."index" = c."rootIndex"
    WHERE c."projectId" = ${projectId}::uuid AND c."runId" = ${runId}::uuid
      AND c."index" = ANY(${[...new Set(edges.map(({ clusterIndex }) => clusterIndex))]}::int[])`
  const grids = groupOutliers(
    collapseDuplicates(edges, leaderOf),
    new Map(roots.map(({ cluster, ...root }) => [cluster, root])),
  )
  const homes = groupAssignments(collapseDuplicates(merges, leaderOf))
  const byPriority = <Asked extends { priority: number }>(asked: Asked[]) =>
    asked.sort((a, b) => b.priority - a.priority).slice(0, MAX_QUESTIONS)
  return byPriority<QueuedQuestion>([
    ...byPriority(grids.edges),
    ...byPriority(grids.grids),
    ...byPriority(homes.merges),
    ...byPriority(homes.assigns),
  ])
}

/** The random sample joins the order: a link that is in both stays where its priority puts it, and counts in the sample. */
function mix(ordered: readonly QueuedQuestion[], audit: readonly QueuedQuestion[]): QueuedQuestion[] {
  const byKey = new Map(ordered.map((question) => [questionKey(question), question]))
  for (const question of audit) {
    const { stratum, rank, weight, settledVerdict } = question
    const key = questionKey(question)
    const asked = byKey.get(key)
    byKey.set(key, asked ? { ...asked, stratum, rank, weight, settledVerdict } : question)
  }
  return [...byKey.values()]
}

const verticesOf = (question: QueuedQuestion): number[] => {
  if (question.kind === 'OUTLIERS') return [question.anchorIndex]
  if (question.kind === 'ASSIGN') return [question.itemIndex, ...question.candidates.map(({ index }) => index)]
  return [question.childIndex, question.parentIndex]
}

async function readPanels(app: App, projectId: string, runId: string, questions: readonly QueuedQuestion[]) {
  const ends = [...new Set(questions.flatMap(verticesOf))]
  const vertices = await app.prisma.$queryRaw<PanelVertex[]>`
    /* buildReviewQueue: panels */
    SELECT v."index", v."itemId", v."clusterIndex", v."parentIndex", v."parentProbability"::float8, v."confidence"::float8
    FROM "Vertex" v
    WHERE v."projectId" = ${projectId}::uuid AND v."runId" = ${runId}::uuid AND v."clusterIndex" IN (
      SELECT DISTINCT x."clusterIndex" FROM "Vertex" x
      WHERE x."projectId" = ${projectId}::uuid AND x."runId" = ${runId}::uuid AND x."index" = ANY(${ends}::int[]))`
  const members = new Map<number, PanelVertex[]>()
  for (const vertex of vertices) {
    const known = members.get(vertex.clusterIndex)
    if (known) known.push(vertex)
    else members.set(vertex.clusterIndex, [vertex])
  }
  return { byIndex: new Map(vertices.map((vertex) => [vertex.index, vertex])), members }
}

/** The columns of a question. */
function rowOf(question: QueuedQuestion) {
  const { kind, priority, isAudit = false, stratum, rank, weight, goldVerdict, settledVerdict } = question
  const common = { kind, priority, isAudit, stratum, rank, weight, goldVerdict, settledVerdict }
  const mean = (values: readonly number[]) =>
    Math.exp(values.reduce((sum, value) => sum + Math.log(Math.max(1e-6, value)), 0) / Math.max(1, values.length))
  if (question.kind === 'OUTLIERS') {
    const probability = mean(question.members.map((member) => member.probability))
    return { ...common, leftItemId: question.anchorItemId, probability }
  }
  if (question.kind === 'ASSIGN') {
    return { ...common, leftItemId: question.itemId, probability: question.candidates[0]?.probability ?? 0 }
  }
  const { leftItemId, rightItemId, childIndex, parentIndex, similarity, probability, alsoPairs } = question
  return { ...common, leftItemId, rightItemId, childIndex, parentIndex, similarity, probability, alsoPairs }
}

const CHUNK = 1_000

/**
 * Puts the questions of a published run in the queue and closes those of earlier runs: the order by expected wrong pairs,
 * the random share, and gold. A question that was answered once keeps its key, and is never asked again. Built anew after
 * a calibration, it brings open questions in line with it.
 */
export const buildReviewQueue = implementJob(reviewQueueJob, async ({ app, job, payload, signal, progress }) => {
  const { projectId } = job
  const { runId } = payload
  progress('questions')
  const settings = await findReviewSettings(app, projectId)
  const { constraints } = await readLedger(app, projectId)
  const decided = new DecidedPairs(constraints)
  const ordered = await findQuestions(app, projectId, runId, decided, settings)
  signal.throwIfAborted()
  progress('audit')
  const audit = await drawAudit(app, projectId, runId, decided)
  const gold = await drawGold(app, projectId, runId)
  const questions = [...mix(ordered, audit), ...gold]
  signal.throwIfAborted()

  progress('panels')
  const { byIndex, members } = await readPanels(app, projectId, runId, questions)
  const rows = questions.map((question) => ({
    ...rowOf(question),
    id: newId(),
    questionKey: questionKey(question),
    panels: panelsOf(question, byIndex, members),
    candidateItemIds: question.kind === 'ASSIGN' ? question.candidates.map(({ itemId }) => itemId) : undefined,
  }))
  signal.throwIfAborted()

  progress('store', 0, rows.length)
  await app.prisma.$transaction(
    async (tx) => {
      await tx.$executeRaw`
        /* buildReviewQueue: close */
        UPDATE "ReviewTask" SET "state" = 'OBSOLETE', "leaseExpiresAt" = NULL, "revision" = "revision" + 1,
          "updatedAt" = now()
        WHERE "projectId" = ${projectId}::uuid AND "runId" <> ${runId}::uuid
          AND ("state" = 'PENDING' OR ("state" = 'LEASED' AND "leaseExpiresAt" < now())
            OR ("goldVerdict" IS NOT NULL AND "state" = 'ANSWERED'))`
      for (let from = 0; from < rows.length; from += CHUNK) {
        await tx.$executeRaw`
        /* buildReviewQueue: questions */
        INSERT INTO "ReviewTask" ("projectId", "id", "kind", "state", "priority", "runId", "questionKey", "leftItemId",
          "rightItemId", "leftIdentityId", "rightIdentityId", "childIndex", "parentIndex", "similarity", "probability",
          "panels", "isAudit", "auditStratum", "auditRank", "auditWeight", "goldVerdict", "alsoPairs", "settledVerdict",
          "settledAt")
        SELECT ${projectId}::uuid, q."id", q."kind",
          CASE WHEN q."settledVerdict" IS NULL THEN 'PENDING' ELSE 'OBSOLETE' END::"ReviewTaskState", q."priority",
          ${runId}::uuid, q."questionKey", q."leftItemId", q."rightItemId", l."identityId", r."identityId", q."childIndex",
          q."parentIndex", q."similarity", q."probability",
          -- The candidates of an ASSIGN are shown as the identities that they are in now.
          CASE WHEN q."candidateItemIds" IS NULL THEN q."panels" ELSE jsonb_set(q."panels", '{candidates}', (
            SELECT jsonb_agg(c.panel || jsonb_build_object('identityId', m."identityId") ORDER BY c.i)
            FROM jsonb_array_elements(q."panels"->'candidates') WITH ORDINALITY AS c(panel, i)
            LEFT JOIN "IdentityMember" m ON m."projectId" = ${projectId}::uuid
              AND m."itemId" = (q."candidateItemIds"->>(c.i::int - 1))::uuid)) END,
          q."isAudit", q."stratum", q."rank", q."weight", q."goldVerdict", q."alsoPairs", q."settledVerdict",
          CASE WHEN q."settledVerdict" IS NOT NULL THEN now() END
        FROM jsonb_to_recordset(${JSON.stringify(rows.slice(from, from + CHUNK))}::jsonb) AS q("id" uuid,
          "kind" "ReviewTaskKind", "priority" float8, "questionKey" text, "leftItemId" uuid, "rightItemId" uuid,
          "childIndex" int, "parentIndex" int, "similarity" real, "probability" real, "panels" jsonb, "isAudit" boolean,
          "stratum" "AuditStratum", "rank" int, "weight" float8, "goldVerdict" "ReviewVerdict", "alsoPairs" jsonb,
          "settledVerdict" "ReviewVerdict", "candidateItemIds" jsonb)
        LEFT JOIN "IdentityMember" l ON l."projectId" = ${projectId}::uuid AND l."itemId" = q."leftItemId"
        LEFT JOIN "IdentityMember" r ON r."projectId" = ${projectId}::uuid AND r."itemId" = q."rightItemId"
        ON CONFLICT ("projectId", "questionKey") DO UPDATE SET "state" = excluded."state", "runId" = excluded."runId",
          "priority" = excluded."priority", "probability" = excluded."probability", "similarity" = excluded."similarity",
          "leftIdentityId" = excluded."leftIdentityId", "rightIdentityId" = excluded."rightIdentityId",
          "leftItemId" = excluded."leftItemId", "rightItemId" = excluded."rightItemId",
          "childIndex" = excluded."childIndex", "parentIndex" = excluded."parentIndex", "panels" = excluded."panels",
          "isAudit" = excluded."isAudit", "auditStratum" = excluded."auditStratum", "auditRank" = excluded."auditRank",
          "auditWeight" = excluded."auditWeight", "alsoPairs" = excluded."alsoPairs",
          "settledVerdict" = excluded."settledVerdict", "settledAt" = excluded."settledAt", "assigneeId" = NULL,
          "decisionId" = NULL, "revision" = "ReviewTask"."revision" + 1, "updatedAt" = now()
        WHERE "ReviewTask"."state" = 'PENDING'
          OR ("ReviewTask"."state" = 'OBSOLETE' AND "ReviewTask"."settledVerdict" IS NULL)
          OR ("ReviewTask"."state" = 'OBSOLETE' AND "ReviewTask"."runId" <> excluded."runId")`
        progress('store', Math.min(rows.length, from + CHUNK), rows.length)
      }
    },
    { timeout: 120_000, maxWait: 30_000 },
  )
  await refreshStatistics(app, 'ReviewTask')
})
