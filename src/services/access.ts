import type { Role } from '../generated/prisma/enums.ts'
import type { App } from './app.ts'
import { DomainError, notFound } from './errors.ts'

/** Who is asking, as established by the server from a key or token. One object a request. */
export interface Viewer {
  readonly userId: string
  readonly requestId: string
  /** Set when a project key was used: it acts in that project only, with at most that role. */
  readonly keyScope?: { readonly projectId: string; readonly role: Role }
  /** What was signed in with: requests are counted by it. */
  readonly credentialId?: string
  /** Roles looked up so far in this request. */
  readonly roles: Map<string, Promise<Role | undefined>>
}

const RANK: Record<Role, number> = { VIEWER: 0, ANNOTATOR: 1, REVIEWER: 2, ENGINEER: 3, ADMIN: 4 }

/** Permissions as data: the least role that may do it. */
export const PERMISSIONS = {
  'project.read': 'VIEWER',
  'review.answer': 'ANNOTATOR',
  'decision.apply': 'REVIEWER',
  'review.adjudicate': 'REVIEWER',
  'import.start': 'ENGINEER',
  'run.start': 'ENGINEER',
  'run.publish': 'ENGINEER',
  'train.start': 'ENGINEER',
  'model.activate': 'ENGINEER',
  'threshold.calibrate': 'ENGINEER',
  'dataset.create': 'ENGINEER',
  'export.create': 'ENGINEER',
  'job.cancel': 'ENGINEER',
  'audit.read': 'ENGINEER',
  'item.erase': 'ADMIN',
  'project.admin': 'ADMIN',
} as const satisfies Record<string, Role>

export type Permission = keyof typeof PERMISSIONS

/** The role the viewer acts with in a project; undefined when they are no member. */
export function findRole(app: App, viewer: Viewer, projectId: string): Promise<Role | undefined> {
  let role = viewer.roles.get(projectId)
  if (!role) {
    role = lookUpRole(app, viewer, projectId)
    viewer.roles.set(projectId, role)
  }
  return role
}

/** What a member may do who came with a key of less. */
const actingRole = ({ keyScope }: Pick<Viewer, 'keyScope'>, role: Role): Role =>
  keyScope && RANK[keyScope.role] < RANK[role] ? keyScope.role : role

/** Notes the roles of a viewer that were read together with what they signed in with. */
export function rememberRoles(viewer: Viewer, roles: Readonly<Record<string, Role>>): Viewer {
  for (const [projectId, role] of Object.entries(roles)) {
    if (viewer.keyScope && viewer.keyScope.projectId !== projectId) continue
    viewer.roles.set(projectId, Promise.resolve(actingRole(viewer, role)))
  }
  return viewer
}

async function lookUpRole(app: App, viewer: Viewer, projectId: string): Promise<Role | undefined> {
  const { keyScope } = viewer
  if (keyScope && keyScope.projectId !== projectId) return undefined
  const membership = await app.prisma.membership.findUnique({
    where: { projectId_userId: { projectId, userId: viewer.userId } },
  })
  return membership ? actingRole(viewer, membership.role) : undefined
}

export function hasPermission(role: Role | undefined, permission: Permission): boolean {
  return role !== undefined && RANK[role] >= RANK[PERMISSIONS[permission]]
}

/** True when `role` is not above `ceiling`. */
export function isWithin(role: Role, ceiling: Role): boolean {
  return RANK[role] <= RANK[ceiling]
}

/**
 * The first line of every service function: the viewer's role in the project, once it suffices.
 * What they may not see is NOT_FOUND; what they see but may not do is FORBIDDEN.
 */
export async function requireAccess(
  app: App,
  viewer: Viewer,
  projectId: string,
  permission: Permission,
): Promise<Role> {
  const role = await findRole(app, viewer, projectId)
  if (role === undefined) throw notFound('project', projectId)
  if (!hasPermission(role, permission)) {
    throw new DomainError(
      'FORBIDDEN',
      `${permission} needs the role ${PERMISSIONS[permission]} or above: you act as ${role}`,
    )
  }
  return role
}
