import { serverNow } from '../../api/client.ts'
import { newKey } from '../../api/new-key.ts'
import { openOutboxStore } from './outbox.ts'
import { queueApiOf } from './queue-api.ts'
import { createQueueSession, type QueueSession } from './queue-session.ts'

const sessions = new Map<string, QueueSession>()

/** The queue of a person in a project, kept while the page lives: going to another screen and back loses nothing. */
export function sessionOf(viewerId: string, projectId: string): QueueSession {
  const key = `${viewerId} ${projectId}`
  let session = sessions.get(key)
  if (!session) {
    session = createQueueSession({
      api: queueApiOf(projectId),
      store: openOutboxStore(localStorage, viewerId, projectId, newKey()),
      newKey,
      now: Date.now,
      serverNow,
      isVisible: () => document.visibilityState === 'visible',
    })
    sessions.set(key, session)
    watchPage(session)
  }
  return session
}

/** What happens to the page as a whole, for as long as it lives. */
function watchPage(session: QueueSession): void {
  window.addEventListener('pagehide', session.leave)
  window.addEventListener('pageshow', (event) => event.persisted && session.start())
  window.addEventListener('online', session.wake)
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') session.wake()
    else session.flush()
  })
  let touchedAtMs = 0
  const touch = () => {
    if (Date.now() - touchedAtMs < 1_000) return
    touchedAtMs = Date.now()
    session.touch()
  }
  window.addEventListener('pointermove', touch, { passive: true })
  window.addEventListener('keydown', touch)
}
