import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { notFound } from './errors.ts'
import type { Ref, RunRef } from './id.ts'
import { type CappedCount, cappedCount } from './page.ts'
import { countViolations } from './run-violations.ts'

export interface RunDiffEntry {
  before: RunRef[]
  after: RunRef[]
  itemCount: number
}

export interface RunDiff {
  unchanged: number
  splits: RunDiffEntry[]
  merges: RunDiffEntry[]
  movedItems: CappedCount
  violatedDecisions: number
}

interface Shared {
  before: number
  after: number
  n: number
}

const MAX_ENTRIES = 100
const COUNT_CAP = 1_000_000

/** Groups rows by one side, keeping groups of two and more: largest first. */
function groups(shared: readonly Shared[], by: 'before' | 'after'): Shared[][] {
  const found = new Map<number, Shared[]>()
  for (const row of shared) {
    const group = found.get(row[by])
    if (group) group.push(row)
    else found.set(row[by], [row])
  }
  const size = (group: Shared[]) => group.reduce((sum, { n }) => sum + n, 0)
  return [...found.values()].filter((group) => group.length > 1).sort((a, b) => size(b) - size(a))
}

/**
 * What changed from one run to another, over the items both hold. An item moved when it is not in the largest part of
 * its old cluster, or when that part joined a larger one.
 */
export async function diffRuns(app: App, viewer: Viewer, run: Ref, againstId: string): Promise<RunDiff> {
  const { projectId, id: afterId } = run
  await requireAccess(app, viewer, projectId, 'project.read')
  const against = await app.prisma.clusterRun.findUnique({ where: { projectId_id: { projectId, id: againstId } } })
  if (!against) throw notFound('cluster run', againstId)
  const shared = await app.prisma.$queryRaw<Shared[]>`
    /* diffRuns */
    SELECT a."clusterIndex" AS "before", b."clusterIndex" AS "after", count(*)::int AS n
    FROM "Vertex" a JOIN "Vertex" b ON b."projectId" = a."projectId" AND b."runId" = ${afterId}::uuid AND b."itemId" = a."itemId"
    WHERE a."projectId" = ${projectId}::uuid AND a."runId" = ${againstId}::uuid
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2`
  const splits = groups(shared, 'before')
  const merges = groups(shared, 'after')
  const touched = new Set([...splits, ...merges].flat())
  // Greedy one-to-one matching, largest overlap first: what is not matched moved.
  const [takenBefore, takenAfter] = [new Set<number>(), new Set<number>()]
  let moved = 0
  for (const { before, after, n } of shared) {
    if (takenBefore.has(before) || takenAfter.has(after)) moved += n
    else {
      takenBefore.add(before)
      takenAfter.add(after)
    }
  }
  const beforeRef = (index: number): RunRef => ({ projectId, runId: againstId, index })
  const afterRef = (index: number): RunRef => ({ projectId, runId: afterId, index })
  const entry = (group: Shared[]): RunDiffEntry => ({
    before: [...new Set(group.map(({ before }) => before))].map(beforeRef),
    after: [...new Set(group.map(({ after }) => after))].map(afterRef),
    itemCount: group.reduce((sum, { n }) => sum + n, 0),
  })
  return {
    unchanged: shared.length - touched.size,
    splits: splits.slice(0, MAX_ENTRIES).map(entry),
    merges: merges.slice(0, MAX_ENTRIES).map(entry),
    movedItems: cappedCount(moved, COUNT_CAP),
    violatedDecisions: await countViolations(app.prisma, run),
  }
}
