import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openReviewProject } from '../support/review-project.ts'
import { hasBrowser, openPageApp, type PageApp, seriousViolations } from './browser.ts'

describe.skipIf(!hasBrowser)('runs and imports in a browser', () => {
  let web: PageApp
  let projectId: string

  beforeAll(async () => {
    web = await openPageApp()
    ;({ projectId } = await openReviewProject(web.t, { classes: 12, perClass: 6 }))
  }, 180_000)
  afterAll(() => web?.close())

  it('starts a run, follows it, shows what it would change, and publishes it', async () => {
    const { page, context, problems } = await web.openTab({ projectId, path: '/runs' })
    await page.getByText('Published').first().waitFor()
    expect(await seriousViolations(page)).toEqual([])
    await page.getByLabel('Method').selectOption('INFOMAP')
    await page.getByRole('button', { name: 'Start a run' }).click()
    await page.getByText('No human decision would be broken.').waitFor({ timeout: 120_000 })
    expect(await seriousViolations(page)).toEqual([])
    await page.getByRole('button', { name: 'Publish this run' }).click()
    await page.locator('text="Published"').first().waitFor()
    const { project } = await web.t.ok('query($id: ID!) { project(id: $id) { publishedRun { method } } }', {
      id: projectId,
    })
    expect(project.publishedRun.method).toBe('INFOMAP')
    expect(problems).toEqual([])
    await context.close()
  })

  it('makes a snapshot and an export, and offers the file', async () => {
    const { page, context, problems } = await web.openTab({ projectId, path: '/runs/datasets' })
    await page.getByLabel('Proposed').check()
    await page.getByRole('button', { name: 'Make a snapshot' }).click()
    await page.getByRole('button', { name: 'Export', exact: true }).click({ timeout: 60_000 })
    const link = page.locator('a[download$=".jsonl"]')
    await link.waitFor({ timeout: 60_000 })
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()])
    expect(await download.failure()).toBeNull()
    expect(await seriousViolations(page)).toEqual([])
    expect(problems).toEqual([])
    await context.close()
  })

  it('imports a file and lists the rows that failed, each with its reason', async () => {
    const folder = path.join(web.t.folder, 'upload')
    mkdirSync(folder)
    const file = path.join(folder, 'more.jsonl')
    const rows = [
      { externalKey: 'good', embedding: Array.from({ length: 16 }, (_, i) => i + 1) },
      { externalKey: 'short', embedding: [1, 2, 3] },
    ]
    writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n'))
    const { page, context, problems } = await web.openTab({ projectId, path: '/import' })
    await page.getByLabel('A manifest').setInputFiles(file)
    expect(await seriousViolations(page)).toEqual([])
    await page.getByRole('button', { name: 'Import', exact: true }).click()
    await page.getByText('1 rows were left out').waitFor({ timeout: 60_000 })
    const row = page.locator('tbody tr')
    expect(await row.allTextContents()).toEqual(['2shortembedding must have 16 values: got 3'])
    expect(problems).toEqual([])
    await context.close()
  })

  it('says what is wrong with a file that cannot be imported', async () => {
    const { page, context } = await web.openTab({ projectId, path: '/import' })
    await page.getByLabel('A zip archive').setInputFiles({
      name: 'holiday.rar',
      mimeType: 'application/vnd.rar',
      buffer: Buffer.from('x'),
    })
    await page.getByText('A zip archive is needed: got “holiday.rar”.').waitFor()
    await context.close()
  })
})
