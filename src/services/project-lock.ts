import type { Project } from '../generated/prisma/client.ts'
import type { Tx } from './app.ts'
import { notFound } from './errors.ts'

/** Decisions and publishes of a project happen one after the other: each holds the project row until it commits. */
export async function lockProject(tx: Tx, projectId: string): Promise<Project> {
  const [project] = await tx.$queryRaw<Project[]>`
    /* lockProject */ SELECT * FROM "Project" WHERE "id" = ${projectId}::uuid FOR UPDATE`
  if (!project) throw notFound('project', projectId)
  return project
}
