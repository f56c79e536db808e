import type { User } from '../generated/prisma/client.ts'
import type { Viewer } from './access.ts'
import type { App } from './app.ts'
import { newId } from './id.ts'

/** Users in the order of `ids`, null where there is none. */
export async function findUsers(app: App, ids: readonly string[]): Promise<(User | null)[]> {
  const users = new Map((await app.prisma.user.findMany({ where: { id: { in: [...ids] } } })).map((u) => [u.id, u]))
  return ids.map((id) => users.get(id) ?? null)
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
