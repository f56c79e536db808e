import type { ApiKey, Membership, Project, Role, User } from '../generated/prisma/client.ts'
import * as projects from '../services/projects.ts'
import { getViewer } from '../services/users.ts'
import { type PageArgs, pageOf, toConnection } from './connection.ts'
import type { Context } from './context.ts'
import { decodeId, decodeRoot, encodeId, encodeRoot } from './global-id.ts'
import { payload } from './payload.ts'

export const viewer = (_root: unknown, _args: unknown, { app, viewer }: Context) => getViewer(app, viewer)

export const project = (_root: unknown, { id }: { id: string }, { app, viewer }: Context) =>
  projects.getProject(app, viewer, decodeRoot('Project', id, 'id'))

export async function projectConnection(_root: unknown, args: PageArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  const result = await projects.listProjects(app, viewer, page)
  return toConnection(
    page,
    result,
    (row) => [row.id],
    (node) => ({ node }),
  )
}

export const projectId = ({ id }: Project) => encodeRoot('Project', id)
export const userId = ({ id }: User) => encodeRoot('User', id)
export const apiKeyId = (key: ApiKey) => encodeId('ApiKey', key)
export const membershipId = ({ projectId, userId }: Membership) => encodeId('Membership', { projectId, id: userId })

export const membershipUser = async ({ userId }: Membership, _args: unknown, { load }: Context) =>
  (await load.user.load(userId)) as User

export const memberships = ({ id }: Project, _args: unknown, { app, viewer }: Context) =>
  projects.listMemberships(app, viewer, id)

export const apiKeys = ({ id }: Project, _args: unknown, { app, viewer }: Context) =>
  projects.listApiKeys(app, viewer, id)

export const createProject = payload(async ({ input }: { input: projects.CreateProject }, { app, viewer }) => ({
  project: await projects.createProject(app, viewer, input),
}))

export const setMembership = payload(
  async ({ input }: { input: { projectId: string; userId: string; role?: Role | null } }, { app, viewer }) => ({
    membership: await projects.setMembership(app, viewer, {
      projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
      userId: decodeRoot('User', input.userId, 'input', 'userId'),
      role: input.role,
    }),
  }),
)

export const createApiKey = payload(async ({ input }: { input: projects.CreateApiKey }, { app, viewer }) =>
  projects.createApiKey(app, viewer, {
    ...input,
    projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
  }),
)

export const revokeApiKey = payload(async ({ input }: { input: { apiKeyId: string } }, { app, viewer }) => {
  const key = decodeId('ApiKey', input.apiKeyId, 'input', 'apiKeyId')
  return { apiKey: await projects.revokeApiKey(app, viewer, key.projectId, key.id) }
})
