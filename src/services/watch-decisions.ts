import type { Decision } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { invalid } from './errors.ts'

const LOOK_EVERY_MS = 250
/** Entries fetched at once: whoever was away for long catches up page by page. */
const PAGE = 100
/** How often it is asked whether the viewer still may look. */
const CHECK_EVERY_MS = 10_000

/**
 * Entries of the ledger after a revision, oldest first, then each new one as it is written; does not end by itself.
 *
 * Nothing is lost or doubled: revisions have no gaps and become visible in their order, for every decision holds its
 * project's row until it commits. Whoever is cut off goes on with `afterRevision` of the last entry they saw. Works across
 * processes, and ends with an error when the viewer is no member any more.
 */
export async function watchDecisions(
  app: App,
  viewer: Viewer,
  projectId: string,
  afterRevision: number,
): Promise<AsyncGenerator<Decision>> {
  // Looked at before anything is opened, so that a refusal is an answer and not a broken stream.
  await requireAccess(app, viewer, projectId, 'project.read')
  const { ledgerRevision } = await app.prisma.project.findUniqueOrThrow({ where: { id: projectId } })
  if (afterRevision < 0 || afterRevision > ledgerRevision) {
    throw invalid(`afterRevision must be 0 to ${ledgerRevision}, the head: got ${afterRevision}`, 'afterRevision')
  }
  return entriesAfter(app, viewer, projectId, afterRevision)
}

async function* entriesAfter(
  app: App,
  viewer: Viewer,
  projectId: string,
  afterRevision: number,
): AsyncGenerator<Decision> {
  let last = afterRevision
  let checkedAt = Date.now()
  for (;;) {
    if (Date.now() - checkedAt > CHECK_EVERY_MS) {
      await requireAccess(app, { ...viewer, roles: new Map() }, projectId, 'project.read')
      checkedAt = Date.now()
    }
    const page = await app.prisma.decision.findMany({
      where: { projectId, ledgerRevision: { gt: last } },
      orderBy: { ledgerRevision: 'asc' },
      take: PAGE,
    })
    for (const decision of page) {
      yield decision
      last = decision.ledgerRevision
    }
    if (page.length < PAGE) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}
