import type { Membership, User } from '../generated/prisma/client.ts'
import type { Viewer } from './access.ts'
import type { App } from './app.ts'
import { newId, type Ref } from './id.ts'
import type { ForeignIdentity } from './identity-provider-port.ts'

/** Whom the ADMIN_TOKEN of the environment signs in. */
export const ADMINISTRATOR: ForeignIdentity = { subject: 'environment|ADMIN_TOKEN', displayName: 'Administrator' }

/** Users in the order of `ids`, null where there is none. */
export async function findUsers(app: App, ids: readonly string[]): Promise<(User | null)[]> {
  const users = new Map((await app.prisma.user.findMany({ where: { id: { in: [...ids] } } })).map((u) => [u.id, u]))
  return ids.map((id) => users.get(id) ?? null)
}

/** Memberships by project and user, null where there is none. */
export async function findMemberships({ prisma }: App, refs: readonly Ref[]): Promise<(Membership | null)[]> {
  const rows = await prisma.membership.findMany({
    where: { OR: refs.map(({ projectId, id }) => ({ projectId, userId: id })) },
  })
  return refs.map(({ projectId, id }) => rows.find((row) => row.projectId === projectId && row.userId === id) ?? null)
}

/** The caller's own user. */
export function getViewer(app: App, viewer: Viewer): Promise<User> {
  return app.prisma.user.findUniqueOrThrow({ where: { id: viewer.userId } })
}

/** Makes a user and a personal token for them; only entry points call this (command line, first start). */
export async function createUserWithToken(
  app: App,
  displayName: string,
  options: { isServiceAccount?: boolean; label?: string } = {},
): Promise<{ user: User; secret: string }> {
  const tokenId = newId()
  const { secret, prefix, hash } = app.tokens.mintPersonalToken(tokenId)
  const user = await app.prisma.$transaction(async (tx) => {
    const created = await tx.user.create({
      data: { id: newId(), displayName, isServiceAccount: options.isServiceAccount ?? false },
    })
    await tx.personalToken.create({
      data: { id: tokenId, userId: created.id, label: options.label ?? 'first token', prefix, hash },
    })
    return created
  })
  return { user, secret }
}

/** The user of a foreign identity: made at first sight, renamed when they are called otherwise now. */
export async function findOrCreateUser(app: App, { subject, displayName }: ForeignIdentity): Promise<User> {
  const known = await app.prisma.user.findUnique({ where: { externalSubject: subject } })
  if (known && known.displayName === displayName) return known
  return app.prisma.user.upsert({
    where: { externalSubject: subject },
    create: { id: newId(), displayName, externalSubject: subject },
    update: { displayName },
  })
}

/**
 * Makes an administrator with a personal token where nobody could sign in otherwise: on a database without users, unless
 * the environment or an issuer lets people in. Returns the secret, which is shown once.
 */
export async function createFirstUser(app: App): Promise<string | undefined> {
  if (app.config.adminToken || app.config.oidc) return undefined
  if ((await app.prisma.user.findFirst({ select: { id: true } })) !== null) return undefined
  return (await createUserWithToken(app, ADMINISTRATOR.displayName)).secret
}
