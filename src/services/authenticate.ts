import type { ApiKey, PersonalToken, Role, User } from '../generated/prisma/client.ts'
import { rememberRoles, type Viewer } from './access.ts'
import type { App } from './app.ts'
import { DomainError } from './errors.ts'
import { ADMINISTRATOR, findOrCreateUser } from './users.ts'

const refused = (reason: string) =>
  new DomainError('UNAUTHENTICATED', `${reason}: send the header "Authorization: Bearer <API key>"`)

/** Header, payload and signature, as in every JWT. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/

interface Credential {
  userId: string
  expiresAt: Date | null
  revokedAt: Date | null
}

/** Read in the statement of the key itself: nearly every request asks for one. */
interface KnownRoles {
  readonly roles: Readonly<Record<string, Role>>
}

/** Of people in more projects than this the others are looked up when they are asked for. */
const MOST_ROLES = 50

function checkLife(app: App, credential: Credential): void {
  if (credential.revokedAt) throw refused('this key was revoked')
  if (credential.expiresAt && credential.expiresAt <= app.clock.now()) throw refused('this key has expired')
}

/**
 * Who is asking. A project key acts in its project only; a personal token, the ADMIN_TOKEN of the environment and a bearer
 * token of the OIDC issuer in every project of their user, who is made at first sight.
 * A wrong key and an unknown key are told apart by nobody.
 */
export async function authenticate(app: App, authorization: string | undefined, requestId: string): Promise<Viewer> {
  const secret = /^Bearer\s+(\S+)$/i.exec(authorization ?? '')?.[1]
  if (!secret) throw refused('no API key')
  const key = app.tokens.parseApiKey(secret)
  if (key) {
    const { projectId, keyId } = key
    const [row] = await app.prisma.$queryRaw<(ApiKey & KnownRoles)[]>`
      /* authenticate: key */ SELECT k.*, coalesce((SELECT jsonb_build_object(m."projectId", m."role") FROM "Membership" m
        WHERE m."projectId" = k."projectId" AND m."userId" = k."userId"), '{}') AS "roles"
      FROM "ApiKey" k WHERE k."projectId" = ${projectId}::uuid AND k."id" = ${keyId}::uuid`
    if (!row || !app.tokens.equalHashes(key.hash, row.hash)) throw refused('this key is not known here')
    checkLife(app, row)
    await touch(app, row.lastUsedAt, (lastUsedAt) =>
      app.prisma.apiKey.update({ where: { projectId_id: { projectId, id: keyId } }, data: { lastUsedAt } }),
    )
    const keyScope = { projectId, role: row.role }
    return rememberRoles({ userId: row.userId, requestId, keyScope, credentialId: keyId, roles: new Map() }, row.roles)
  }
  const token = app.tokens.parsePersonalToken(secret)
  if (token) {
    const [row] = await app.prisma.$queryRaw<(PersonalToken & KnownRoles)[]>`
      /* authenticate: token */ SELECT t.*, coalesce((SELECT jsonb_object_agg(m."projectId", m."role") FROM (
        SELECT "projectId", "role" FROM "Membership" WHERE "userId" = t."userId" LIMIT ${MOST_ROLES}) m), '{}') AS "roles"
      FROM "PersonalToken" t WHERE t."id" = ${token.tokenId}::uuid`
    if (!row || !app.tokens.equalHashes(token.hash, row.hash)) throw refused('this key is not known here')
    checkLife(app, row)
    await touch(app, row.lastUsedAt, (lastUsedAt) =>
      app.prisma.personalToken.update({ where: { id: row.id }, data: { lastUsedAt } }),
    )
    return rememberRoles({ userId: row.userId, requestId, credentialId: row.id, roles: new Map() }, row.roles)
  }
  if (app.tokens.isAdminToken(secret)) return viewerOf(await findOrCreateUser(app, ADMINISTRATOR), requestId)
  if (app.identityProvider && JWT.test(secret)) {
    return viewerOf(await findOrCreateUser(app, await app.identityProvider.verify(secret)), requestId)
  }
  throw refused('this is no key of this server')
}

/** A person acts wherever they are a member. */
const viewerOf = ({ id }: User, requestId: string): Viewer => ({
  userId: id,
  requestId,
  credentialId: id,
  roles: new Map(),
})

const TOUCH_EVERY_MS = 60_000

/** Last use is kept to the minute: a write a request would be a hot row. */
async function touch(app: App, lastUsedAt: Date | null, write: (now: Date) => Promise<unknown>): Promise<void> {
  const now = app.clock.now()
  if (!lastUsedAt || now.getTime() - lastUsedAt.getTime() > TOUCH_EVERY_MS) await write(now)
}
