import type { WebhookEndpoint } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { DomainError } from './errors.ts'
import type { Ref } from './id.ts'

const contextOf = ({ projectId, id }: Ref) => `WebhookEndpoint/${projectId}/${id}`

/** The signing secret as it is kept: readable with the keys of the configuration only. */
export const sealWebhookSecret = ({ secretBox }: App, ref: Ref, secret: string): string =>
  secretBox.seal(secret, contextOf(ref))

/** The signing secret of an endpoint. @throws DomainError INVALID_STATE when no key of the configuration opens it. */
export const openWebhookSecret = ({ secretBox }: App, endpoint: WebhookEndpoint): string =>
  secretBox.open(endpoint.secret, contextOf(endpoint))

/** Seals with the first key what is sealed with another one, or not at all; returns how many no key opens. */
export async function resealWebhookSecrets(app: App): Promise<number> {
  const { currentPrefix } = app.secretBox
  if (currentPrefix === undefined) return 0
  let unreadable = 0
  for (const { id: projectId } of await app.prisma.project.findMany({ select: { id: true } })) {
    const old = await app.prisma.webhookEndpoint.findMany({
      where: { projectId, NOT: { secret: { startsWith: currentPrefix } } },
    })
    for (const endpoint of old) {
      try {
        const secret = sealWebhookSecret(app, endpoint, openWebhookSecret(app, endpoint))
        // Another worker may be at it: whoever finds the row as it was writes it.
        await app.prisma.webhookEndpoint.updateMany({
          where: { projectId, id: endpoint.id, secret: endpoint.secret },
          data: { secret },
        })
      } catch (error) {
        if (!(error instanceof DomainError)) throw error
        unreadable++
        app.log.error({ endpointId: endpoint.id, projectId }, `a webhook can not be signed: ${error.message}`)
      }
    }
  }
  return unreadable
}
