import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import axe from 'axe-core'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { openTestApp, type TestApp } from '../support/app.ts'

const PLACES = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]
const executablePath = PLACES.find((place) => place && existsSync(place))

/** False where no browser is: the tests of the page are skipped then, and say so. */
export const hasBrowser = executablePath !== undefined
if (!hasBrowser) {
  console.warn('tests of the review page are skipped: no browser found; install chromium or set CHROMIUM_PATH')
}

export interface PageApp {
  readonly t: TestApp
  readonly url: string
  readonly browser: Browser
  /** A tab of its own, signed in; `path` is what follows /review/<project>. */
  openTab(options: OpenTab): Promise<Tab>
  close(): Promise<void>
}

export interface OpenTab extends Pick<BrowserContextOptions, 'colorScheme' | 'viewport' | 'reducedMotion'> {
  readonly projectId: string
  readonly path?: string
  readonly token?: string
  /** Share cookies and storage with another tab. */
  readonly beside?: Tab
}

export interface Tab {
  readonly page: Page
  readonly context: BrowserContext
  /** Names of the documents that this tab has sent, in order. */
  readonly sent: string[]
  /** Errors of the console and of scripts; a test may expect none. */
  readonly problems: string[]
}

/** The real server on a database of its own, the built page, and a browser with a new, empty profile. */
export async function openPageApp(): Promise<PageApp> {
  const t = await openTestApp()
  await new Promise<void>((resolve) => t.http.server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(t.http.server.address() as AddressInfo).port}`
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-background-networking', '--disable-dev-shm-usage'],
  })

  async function openTab({ projectId, path = '/queue', token = t.token, beside, ...options }: OpenTab): Promise<Tab> {
    const context =
      beside?.context ?? (await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options }))
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)
    const sent: string[] = []
    const problems: string[] = []
    page.on('request', (request) => {
      if (request.url().endsWith('/graphql')) sent.push(JSON.parse(request.postData() ?? '{}').operationName)
    })
    page.on('pageerror', (error) => problems.push(error.message))
    page.on('console', (message) => {
      // Chromium reports every refused request here, wanted or not.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        problems.push(message.text())
      }
    })
    if (!beside) {
      const signedIn = await context.request.post(`${url}/session`, {
        headers: { 'x-tributary-page': '1' },
        data: { key: token },
      })
      if (!signedIn.ok()) throw new Error(`sign-in failed: ${await signedIn.text()}`)
    }
    await page.goto(`${url}/review/${projectId}${path}`)
    return { page, context, sent, problems }
  }

  return {
    t,
    url,
    browser,
    openTab,
    close: async () => {
      await browser.close()
      t.http.server.closeAllConnections()
      await t.close()
    },
  }
}

/** What axe finds serious or critical, by rule, with the first element of each. */
export async function seriousViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run({
      runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] },
    }),
  )
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`)
}
