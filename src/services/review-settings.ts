import { z } from 'zod'
import type { Project } from '../generated/prisma/client.ts'
import { requireAccess, type Viewer } from './access.ts'
import type { App, Tx } from './app.ts'
import { recordAudit } from './audit.ts'
import { invalid } from './errors.ts'

/** How a project's review queue is mixed. */
export interface ReviewSettings {
  /** Share of tasks drawn by chance, whatever their priority. */
  readonly auditShare: number
  /** Share of tasks whose answer is known, to measure annotators. */
  readonly goldShare: number
  /** Items at least so similar count as the same picture: one question stands for all. */
  readonly nearDuplicateSimilarity: number
  /** Two boxes of one source image are never the same subject. */
  readonly isSameImageApart: boolean
}

const settingsShape = z.object({
  auditShare: z.number().min(0).max(1).default(0.08),
  goldShare: z.number().min(0).max(0.5).default(0.04),
  nearDuplicateSimilarity: z.number().min(0.5).max(1).default(0.97),
  isSameImageApart: z.boolean().default(false),
})

/** The settings of a project; what was never set has its default. */
export function readReviewSettings({ settings }: Pick<Project, 'settings'>): ReviewSettings {
  const { review } = settings as { review?: object }
  return settingsShape.parse(review ?? {})
}

export async function findReviewSettings(
  { prisma }: { prisma: App['prisma'] | Tx },
  projectId: string,
): Promise<ReviewSettings> {
  return readReviewSettings(await prisma.project.findUniqueOrThrow({ where: { id: projectId } }))
}

export type ReviewSettingsChange = { projectId: string } & {
  [Name in keyof ReviewSettings]?: ReviewSettings[Name] | null
}

/** Changes what is given and keeps the rest. ADMIN only. It holds for claims at once, for questions from the next run on. */
export async function updateReviewSettings(
  app: App,
  viewer: Viewer,
  { projectId, ...given }: ReviewSettingsChange,
): Promise<Project> {
  await requireAccess(app, viewer, projectId, 'project.admin')
  const change = Object.fromEntries(Object.entries(given).filter(([, value]) => value != null))
  return app.prisma.$transaction(async (tx) => {
    const project = await tx.project.findUniqueOrThrow({ where: { id: projectId } })
    const parsed = settingsShape.safeParse({ ...readReviewSettings(project), ...change })
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      const name = String(issue?.path[0])
      throw invalid(`${name}: ${issue?.message}; got ${JSON.stringify(change[name])}`, 'input', name)
    }
    const { data: review } = parsed
    if (review.auditShare + review.goldShare > 1) {
      const sum = review.auditShare + review.goldShare
      throw invalid(`auditShare and goldShare must leave room for each other, at most 1: got ${sum}`, 'input')
    }
    await recordAudit(tx, viewer, {
      projectId,
      action: 'review_settings.updated',
      target: ['Project', projectId],
      detail: { ...review },
    })
    return tx.project.update({
      where: { id: projectId },
      data: { settings: { ...(project.settings as object), review } },
    })
  })
}
