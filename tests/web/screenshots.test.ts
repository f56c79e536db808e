import { mkdirSync, statSync } from 'node:fs'
import path from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadDemoSet, renderDemoSet } from '../../prisma/seed/demo-set.ts'
import { importAndPublish } from '../support/review-project.ts'
import { hasBrowser, openPageApp, type PageApp, type Tab } from './browser.ts'

/** Emoji shown: enough for a lively page, few enough for a minute. */
const CLASSES = 90
const MAX_BYTES = 200_000
const FOLDER = 'docs/images'

interface Shot {
  name: string
  path: string
  /** What must be there before the picture is taken. */
  ready: string
  colorScheme?: 'light' | 'dark'
  viewport?: { width: number; height: number }
  prepare?(tab: Tab): Promise<void>
}

const TABLET = { width: 820, height: 1180 }
const SHOTS: Shot[] = [
  { name: 'queue', path: '/queue', ready: '[data-question]' },
  { name: 'queue-dark', path: '/queue', ready: '[data-question]', colorScheme: 'dark' },
  { name: 'queue-tablet', path: '/queue', ready: '[data-question]', viewport: TABLET },
  {
    name: 'why',
    path: '/queue',
    ready: '[data-question]',
    prepare: async ({ page }) => {
      await page.keyboard.press('w')
      await page.locator('dialog li').first().waitFor()
    },
  },
  { name: 'low-confidence', path: '/low-confidence', ready: '[role=option]' },
  { name: 'identities', path: '/identities', ready: 'main img' },
  {
    name: 'identity',
    path: '/identities',
    ready: 'main img',
    prepare: async ({ page }) => {
      await page.locator('[role=option]').first().click()
      await page.waitForURL(/\/identities\/./)
      await page.locator('[role=option] img').first().waitFor()
    },
  },
  { name: 'runs', path: '/runs', ready: 'main table, main li, main h2' },
]

/**
 * The pictures of the docs, from real ones: `npm run screenshots`. Not part of the suite, for pictures differ by a pixel
 * from machine to machine.
 */
describe.skipIf(!hasBrowser || !process.env.SCREENSHOTS)('screenshots for the docs', () => {
  let web: PageApp
  let projectId: string

  beforeAll(async () => {
    mkdirSync(FOLDER, { recursive: true })
    web = await openPageApp()
    const all = loadDemoSet()
    const names = [...new Set(all.map(({ name }) => name))]
    const chosen = new Set(names.filter((_, i) => i % Math.floor(names.length / CLASSES) === 0).slice(0, CLASSES))
    const pictures = all.filter(({ name }) => chosen.has(name))
    const manifest = await renderDemoSet(path.join(web.t.folder, 'emoji'), pictures, () => {})
    ;({ projectId } = await importAndPublish(web.t, { name: 'Emoji', embeddingDimension: 256, manifest }))
  }, 600_000)
  afterAll(() => web?.close())

  it.each(SHOTS)('$name', async ({ name, path: place, ready, prepare, ...options }) => {
    const tab = await web.openTab({ projectId, path: place, ...options })
    await tab.page.locator(ready).first().waitFor()
    await prepare?.(tab)
    await tab.page.waitForLoadState('networkidle')
    expect(await tab.page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'no sideways scrolling').toBe(
      true,
    )
    const file = path.join(FOLDER, `${name}.png`)
    await sharp(await tab.page.screenshot())
      .png({ palette: true, quality: 80, compressionLevel: 9, effort: 10 })
      .toFile(file)
    expect(statSync(file).size).toBeLessThan(MAX_BYTES)
    expect(tab.problems).toEqual([])
    await tab.page.goto('about:blank')
    await tab.context.close()
  })
})
