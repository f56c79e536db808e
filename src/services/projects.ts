import type { ApiKey, Membership, Project, Role } from '../generated/prisma/client.ts'
import { isWithin, requireAccess, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { recordAudit } from './audit.ts'
import { DomainError, invalid, notFound } from './errors.ts'
import { newId } from './id.ts'
import { onceOnly } from './idempotency.ts'
import { cutPage, idOf, type Page, type PageResult } from './page.ts'

/** pgvector's HNSW indexes `vector` up to 2000 dimensions. */
export const MAX_DIMENSION = 2000
const MAX_NAME = 200
const MAX_KEY_DAYS = 366

export interface CreateProject {
  name: string
  embeddingDimension: number
  idempotencyKey: string
}

/** Any person with a personal token may make a project, and becomes its ADMIN. */
export async function createProject(app: App, viewer: Viewer, input: CreateProject): Promise<Project> {
  if (viewer.keyScope) {
    throw new DomainError(
      'FORBIDDEN',
      'a project key acts in its own project only: make projects with a personal token',
    )
  }
  const name = checkName(input.name, 'name')
  const dimension = input.embeddingDimension
  if (!Number.isInteger(dimension) || dimension < 2 || dimension > MAX_DIMENSION) {
    throw invalid(`embeddingDimension must be 2 to ${MAX_DIMENSION}: got ${dimension}`, 'input', 'embeddingDimension')
  }
  const { projectId } = await onceOnly(app, viewer, 'createProject', input, async (tx) => {
    const [id, spaceId] = [newId(), newId()]
    await tx.project.create({ data: { id, name, embeddingDimension: dimension, activeSpaceId: spaceId } })
    await tx.embeddingSpace.create({ data: { projectId: id, id: spaceId, number: 1, dimension, embedderId: 'import' } })
    await tx.membership.create({ data: { projectId: id, userId: viewer.userId, role: 'ADMIN' } })
    await recordAudit(tx, viewer, { projectId: id, action: 'project.created', target: ['Project', id] })
    return { projectId: id }
  })
  return app.prisma.project.findUniqueOrThrow({ where: { id: projectId } })
}

function checkName(raw: string, field: string): string {
  const name = raw.trim()
  if (name.length < 1 || name.length > MAX_NAME) {
    throw invalid(`${field} must have 1 to ${MAX_NAME} characters: got ${name.length}`, 'input', field)
  }
  return name
}

/** A project the viewer is a member of. */
export async function getProject(app: App, viewer: Viewer, projectId: string): Promise<Project> {
  await requireAccess(app, viewer, projectId, 'project.read')
  const project = await app.prisma.project.findUnique({ where: { id: projectId } })
  if (!project) throw notFound('project', projectId)
  return project
}

/** The viewer's projects, oldest first. */
export async function listProjects(app: App, viewer: Viewer, { first, after }: Page): Promise<PageResult<Project>> {
  const rows = await app.prisma.project.findMany({
    where: {
      memberships: { some: { userId: viewer.userId } },
      id: { ...(viewer.keyScope && { equals: viewer.keyScope.projectId }), ...(after && { gt: idOf(after) }) },
    },
    orderBy: { id: 'asc' },
    take: first + 1,
  })
  return cutPage(rows, first)
}

/** Every member may see who else is one. */
export async function listMemberships(app: App, viewer: Viewer, projectId: string): Promise<Membership[]> {
  await requireAccess(app, viewer, projectId, 'project.read')
  return app.prisma.membership.findMany({ where: { projectId }, orderBy: { createdAt: 'asc' } })
}

/** ADMIN only. The last ADMIN of a project can not be taken away. */
export async function setMembership(
  app: App,
  viewer: Viewer,
  { projectId, userId, role }: { projectId: string; userId: string; role?: Role | null },
): Promise<Membership | null> {
  await requireAccess(app, viewer, projectId, 'project.admin')
  return app.prisma.$transaction(async (tx) => {
    // The project row is the lock: two admins that remove each other must not both succeed.
    await tx.$executeRaw`/* setMembership */ SELECT 1 FROM "Project" WHERE "id" = ${projectId}::uuid FOR UPDATE`
    const where = { projectId_userId: { projectId, userId } }
    if (!(await tx.user.findUnique({ where: { id: userId } }))) throw notFound('user', userId)
    if (role !== 'ADMIN') {
      const otherAdmins = await tx.membership.count({ where: { projectId, role: 'ADMIN', userId: { not: userId } } })
      if (otherAdmins === 0)
        throw new DomainError('INVALID_STATE', 'a project keeps at least one ADMIN: name another one first')
    }
    await recordAudit(tx, viewer, {
      projectId,
      action: 'membership.set',
      target: ['User', userId],
      detail: { role: role ?? null },
    })
    if (!role) {
      await tx.membership.deleteMany({ where: { projectId, userId } })
      return null
    }
    return tx.membership.upsert({ where, create: { projectId, userId, role }, update: { role } })
  })
}

/** ADMIN only; a revoked key stays listed. */
export async function listApiKeys(app: App, viewer: Viewer, projectId: string): Promise<ApiKey[]> {
  await requireAccess(app, viewer, projectId, 'project.admin')
  return app.prisma.apiKey.findMany({ where: { projectId }, orderBy: { id: 'desc' } })
}

export interface CreateApiKey {
  projectId: string
  label: string
  role: Role
  expiresAt: Date
}

/** ADMIN only. The key acts as its creator, never above their own role; the secret is in this answer only. */
export async function createApiKey(
  app: App,
  viewer: Viewer,
  { projectId, label, role, expiresAt }: CreateApiKey,
): Promise<{ apiKey: ApiKey; secret: string }> {
  const own = await requireAccess(app, viewer, projectId, 'project.admin')
  if (!isWithin(role, own)) throw invalid(`role must be at most your own, ${own}: got ${role}`, 'input', 'role')
  const days = (expiresAt.getTime() - app.clock.now().getTime()) / 86_400_000
  if (days <= 0 || days > MAX_KEY_DAYS) {
    throw invalid(`expiresAt must be within a year from now: got ${expiresAt.toISOString()}`, 'input', 'expiresAt')
  }
  const id = newId()
  const { secret, prefix, hash } = app.tokens.mintApiKey(projectId, id)
  const apiKey = await app.prisma.$transaction(async (tx) => {
    const data = {
      projectId,
      id,
      userId: viewer.userId,
      label: checkName(label, 'label'),
      prefix,
      hash,
      role,
      expiresAt,
    }
    const created = await tx.apiKey.create({ data })
    await recordAudit(tx, viewer, { projectId, action: 'api_key.created', target: ['ApiKey', id], detail: { role } })
    return created
  })
  return { apiKey, secret }
}

/** ADMIN only; ends the key at once. */
export async function revokeApiKey(app: App, viewer: Viewer, projectId: string, id: string): Promise<ApiKey> {
  await requireAccess(app, viewer, projectId, 'project.admin')
  const where = { projectId_id: { projectId, id } }
  return app.prisma.$transaction(async (tx) => {
    const row = await tx.apiKey.findUnique({ where })
    if (!row) throw notFound('API key', id)
    if (row.revokedAt) return row
    await recordAudit(tx, viewer, { projectId, action: 'api_key.revoked', target: ['ApiKey', id] })
    return tx.apiKey.update({ where, data: { revokedAt: app.clock.now() } })
  })
}
