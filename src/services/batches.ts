import type { Constraint, Identity } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import type { Ref } from './id.ts'

const keyOf = ({ projectId, id }: Ref) => `${projectId}/${id}`

/** Constraints that each decision added. */
export async function findConstraintsOfDecisions(app: App, refs: readonly Ref[]): Promise<Constraint[][]> {
  const rows = await app.prisma.constraint.findMany({
    where: { OR: refs.map(({ projectId, id }) => ({ projectId, decisionId: id })) },
    orderBy: { id: 'asc' },
  })
  const byDecision = new Map<string, Constraint[]>(refs.map((ref) => [keyOf(ref), []]))
  for (const row of rows) byDecision.get(keyOf({ projectId: row.projectId, id: row.decisionId }))?.push(row)
  return refs.map((ref) => byDecision.get(keyOf(ref)) ?? [])
}

/** Identities that each decision touched, as they are now. */
export async function findIdentitiesOfDecisions(app: App, refs: readonly Ref[]): Promise<Identity[][]> {
  const rows = await app.prisma.$queryRaw<(Identity & { decisionId: string })[]>`
    /* findIdentitiesOfDecisions */ SELECT i.*, x."decisionId" FROM unnest(${refs.map((ref) => ref.projectId)}::uuid[],
      ${refs.map((ref) => ref.id)}::uuid[]) AS t(project, decision)
    JOIN "DecisionIdentity" x ON x."projectId" = t.project AND x."decisionId" = t.decision
    JOIN "Identity" i ON i."projectId" = x."projectId" AND i."id" = x."identityId"
    ORDER BY i."id"`
  const byDecision = new Map<string, Identity[]>(refs.map(({ id }) => [id, []]))
  for (const { decisionId, ...identity } of rows) byDecision.get(decisionId)?.push(identity)
  return refs.map(({ id }) => byDecision.get(id) ?? [])
}

/** A pair of items, in either order. */
export interface ItemPair {
  readonly projectId: string
  readonly left: string
  readonly right: string
}

/** The active human constraint on each pair, null where people have said nothing. */
export async function findConstraintsOfPairs(app: App, pairs: readonly ItemPair[]): Promise<(Constraint | null)[]> {
  const rows = await app.prisma.$queryRaw<Constraint[]>`
    /* findConstraintsOfPairs */ SELECT DISTINCT x.* FROM unnest(${pairs.map((pair) => pair.projectId)}::uuid[],
      ${pairs.map((pair) => pair.left)}::uuid[], ${pairs.map((pair) => pair.right)}::uuid[]) AS t(project, l, r)
    -- Two looks into the index for each pair: with OR, every pair is held against every constraint.
    CROSS JOIN LATERAL (
      SELECT c.* FROM "Constraint" c WHERE c."projectId" = t.project AND c."leftItemId" = t.l AND c."rightItemId" = t.r
      UNION ALL
      SELECT c.* FROM "Constraint" c WHERE c."projectId" = t.project AND c."leftItemId" = t.r AND c."rightItemId" = t.l) x
    WHERE x."revokedById" IS NULL`
  const pairKey = (left: string, right: string | null) => [left, right ?? ''].sort().join('/')
  const byPair = new Map(rows.map((row) => [pairKey(row.leftItemId, row.rightItemId), row]))
  return pairs.map(({ left, right }) => byPair.get(pairKey(left, right)) ?? null)
}

/** A share with its Wilson 95 % interval. */
export interface Estimate {
  value: number
  low: number
  high: number
  sampleSize: number
}

const Z = 1.96

/** Wilson score interval of a share; with nothing observed, anything is possible. */
export function wilson(share: number, n: number): Estimate {
  if (n === 0) return { value: share, low: 0, high: 1, sampleSize: 0 }
  const centre = (share + (Z * Z) / (2 * n)) / (1 + (Z * Z) / n)
  const half = (Z * Math.sqrt((share * (1 - share)) / n + (Z * Z) / (4 * n * n))) / (1 + (Z * Z) / n)
  return { value: share, low: Math.max(0, centre - half), high: Math.min(1, centre + half), sampleSize: n }
}

/**
 * Purity of identities: the expected share of right pairs, from the probabilities of their tree edges. A member that a
 * person placed brings no doubt.
 */
export async function findPurities(app: App, refs: readonly Ref[]): Promise<Estimate[]> {
  const rows = await app.prisma.$queryRaw<{ projectId: string; id: string; n: number; risk: number; placed: number }[]>`
    /* findPurities */ SELECT i."projectId", i."id", i."memberCount" AS n, i."risk", (SELECT count(*)::int FROM "IdentityMember" m
      WHERE m."projectId" = i."projectId" AND m."identityId" = i."id" AND m."source" <> 'MODEL') AS placed
    FROM unnest(${refs.map((ref) => ref.projectId)}::uuid[], ${refs.map((ref) => ref.id)}::uuid[]) AS t(project, id)
    JOIN "Identity" i ON i."projectId" = t.project AND i."id" = t.id`
  const byId = new Map(rows.map((row) => [keyOf(row), row]))
  return refs.map((ref) => {
    const { n = 0, risk = 0, placed = 0 } = byId.get(keyOf(ref)) ?? {}
    const pairs = (n * (n - 1)) / 2
    return wilson(pairs === 0 ? 1 : Math.max(0, 1 - risk / pairs), placed)
  })
}
