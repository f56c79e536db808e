import { createHash } from 'node:crypto'
import { Router } from 'express'
import type { App } from './services/app.ts'
import { describeHealth } from './services/health.ts'

const hashOf = (text: string) => new Uint8Array(createHash('sha256').update(text).digest())

/** Compared by hash, in a time that tells nothing. */
function isMetricsToken({ config, tokens }: App, authorization: string | undefined): boolean {
  const given = /^Bearer\s+(\S+)$/i.exec(authorization ?? '')?.[1]
  return config.metricsToken !== undefined && !!given && tokens.equalHashes(hashOf(given), hashOf(config.metricsToken))
}

/** What those who watch a process ask it: whether it lives, whether it can work, and what it has done. */
export function monitorRoutes(app: App): Router {
  const router = Router()
  router.get('/healthz', (_req, res) => {
    res.json({ status: 'ok' })
  })
  router.get('/readyz', async (_req, res) => {
    const health = await describeHealth(app)
    res.status(health.status === 'ok' ? 200 : 503).json(health)
  })
  router.get('/metrics', async (req, res) => {
    if (!isMetricsToken(app, req.get('authorization'))) {
      const message =
        'metrics are read with "Authorization: Bearer <METRICS_TOKEN>"; without that setting they are closed'
      res.status(401).json({ errors: [{ message, extensions: { code: 'UNAUTHENTICATED' } }] })
      return
    }
    const { contentType, text } = await app.metrics.render()
    res.type(contentType).send(text)
  })
  return router
}
