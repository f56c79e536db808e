import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { key } from '../support/app.ts'
import { picture, zipOf } from '../support/imports.ts'
import { onnxModel } from '../support/models.ts'
import { hasBrowser, openPageApp, type PageApp, seriousViolations } from './browser.ts'

describe.skipIf(!hasBrowser)('finding in a browser', () => {
  let web: PageApp
  let projectId: string

  beforeAll(async () => {
    web = await openPageApp()
    const { createProject } = await web.t.ok(
      'mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }',
      { input: { name: 'Colours', embeddingDimension: 4, idempotencyKey: key() } },
    )
    projectId = createProject.project.id
    await useModel()
  }, 180_000)
  afterAll(() => web?.close())

  /** A small model of the team's own embeds what comes without a vector. */
  async function useModel(): Promise<void> {
    const content = onnxModel(4)
    const { createUpload } = await web.t.ok(
      'mutation($input: CreateUploadInput!) { createUpload(input: $input) { uploadUrl stagedUrl } }',
      { input: { projectId, fileName: 'model.onnx', byteSize: content.length } },
    )
    const { pathname, search } = new URL(createUpload.uploadUrl)
    await fetch(web.url + pathname + search, { method: 'PUT', body: new Uint8Array(content) })
    const { importModel } = await web.t.ok(
      'mutation($input: ImportModelInput!) { importModel(input: $input) { model { id } job { id } } }',
      { input: { projectId, stagedUrl: createUpload.stagedUrl, idempotencyKey: key() } },
    )
    expect(await web.t.waitForJob(importModel.job.id)).toMatchObject({ state: 'SUCCEEDED' })
    const { setEmbedder } = await web.t.ok(
      'mutation($input: SetEmbedderInput!) { setEmbedder(input: $input) { userErrors { message } } }',
      { input: { projectId, kind: 'MODEL', modelVersionId: importModel.model.id, idempotencyKey: key() } },
    )
    expect(setEmbedder.userErrors).toEqual([])
  }

  it('imports an archive of pictures, folders as labels, and names the picture that is none', async () => {
    const { page, context } = await web.openTab({ projectId, path: '/import' })
    const buffer = await zipOf({
      'anna/1.png': await picture('#cc0000'),
      'bert/2.png': await picture('#0000cc'),
      'bert/broken.png': 'hello',
    })
    await page
      .getByLabel('A zip archive')
      .setInputFiles({ name: 'colours.zip', mimeType: 'application/zip', buffer: Buffer.from(buffer) })
    await page.getByRole('button', { name: 'Import', exact: true }).click()
    await page.getByText('1 rows were left out').waitFor({ timeout: 120_000 })
    await page.getByText('bert/broken.png').first().waitFor()
    await context.close()
  })

  it('finds by name, by key, and by a picture of one’s own', async () => {
    const { page, context, problems } = await web.openTab({ projectId, path: '/find' })
    await page.locator('#find').fill('ann')
    await page.keyboard.press('Enter')
    await page.locator('a:has(img[alt="anna"])').waitFor()
    await page.locator('#find').fill('bert/2.png')
    await page.keyboard.press('Enter')
    await page.getByText('What looks like it?').click()
    await page.locator('[role=option]').first().waitFor()
    expect(await seriousViolations(page)).toEqual([])
    await page
      .getByLabel('By an image of yours')
      .setInputFiles({ name: 'blue.png', mimeType: 'image/png', buffer: await picture('#0000cc') })
    await page.getByText('Your image, blue.png').waitFor({ timeout: 60_000 })
    expect(await page.locator('[role=option]').first().textContent()).toContain('bert/2.png')
    expect(await seriousViolations(page)).toEqual([])
    expect(problems).toEqual([])
    await context.close()
  })
})
