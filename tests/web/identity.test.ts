import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeRoot, encodeId } from '../../src/resolvers/global-id.ts'
import { newId } from '../../src/services/id.ts'
import { key } from '../support/app.ts'
import { openReviewProject } from '../support/review-project.ts'
import { hasBrowser, openPageApp, type PageApp, seriousViolations } from './browser.ts'

const MANY = 10_000
const LIST = `document.querySelector('[role=listbox][aria-label^=Members]')`
const members = '[role=listbox][aria-label^=Members] [role=option]'

describe.skipIf(!hasBrowser)('an identity in a browser', () => {
  let web: PageApp
  let projectId: string
  let ref: string
  let largest: { id: string; revision: number; memberCount: number }

  beforeAll(async () => {
    web = await openPageApp()
    ;({ projectId } = await openReviewProject(web.t))
    ref = decodeRoot('Project', projectId)
    const { project } = await web.t.ok(
      'query($id: ID!) { project(id: $id) { identities(first: 1, orderBy: SIZE_DESC) { edges { node { id revision memberCount } } } } }',
      { id: projectId },
    )
    largest = project.identities.edges[0].node
  }, 180_000)
  afterAll(() => web?.close())

  const readIdentity = async (id: string) =>
    (
      await web.t.ok(
        'query($id: ID!) { identity(id: $id) { revision memberCount members(first: 250) { edges { node { externalKey } } } } }',
        { id },
      )
    ).identity

  it('shows what a split would do, does exactly that, and takes it back', async () => {
    const { page, context, problems } = await web.openTab({ projectId, path: `/identities/${largest.id}` })
    await page.locator(members).nth(2).waitFor()
    await page.locator(members).nth(0).click()
    await page
      .locator(members)
      .nth(2)
      .click({ modifiers: ['Shift'] })
    await page.getByText(`3 of ${largest.memberCount} chosen`).waitFor()
    await page.keyboard.press('p')
    const dialog = page.locator('dialog[open]')
    await dialog.getByText('A new identity').waitFor()
    expect(await seriousViolations(page)).toEqual([])
    const promised = await dialog.locator('li.card .number').allTextContents()
    await dialog.getByRole('button', { name: 'Split off' }).click()
    await page.getByText('Ada split off 3 images').waitFor()
    const { identities } = (
      await web.t.ok(
        'query($id: ID!) { project(id: $id) { decisions(first: 1) { edges { node { kind identities { memberCount } } } } } }',
        { id: projectId },
      )
    ).project.decisions.edges[0].node
    const became = identities.map(({ memberCount }: { memberCount: number }) => `${memberCount} images`)
    expect(became.toSorted()).toEqual(promised.toSorted())
    expect((await readIdentity(largest.id)).memberCount).toBe(largest.memberCount - 3)

    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByText(`${largest.memberCount} images`).waitFor()
    expect((await readIdentity(largest.id)).memberCount).toBe(largest.memberCount)
    expect(problems).toEqual([])
    await context.close()
  })

  it('chooses by dragging a box, and names what is chosen', async () => {
    const { page, context } = await web.openTab({ projectId, path: `/identities/${largest.id}` })
    await page.locator(members).nth(2).waitFor()
    const first = await page.locator(members).nth(0).boundingBox()
    const third = await page.locator(members).nth(2).boundingBox()
    if (!first || !third) throw new Error('no tiles')
    await page.mouse.move(first.x + 4, first.y + 4)
    await page.mouse.down()
    await page.mouse.move(third.x + third.width / 2, third.y + 30, { steps: 5 })
    await page.mouse.up()
    await page.getByText(`3 of ${largest.memberCount} chosen`).waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('Choose images').waitFor()
    await context.close()
  })

  it('says who changed what when somebody else was faster', async () => {
    const { page, context } = await web.openTab({ projectId, path: `/identities/${largest.id}` })
    await page.locator(members).nth(1).waitFor()
    const { revision } = await readIdentity(largest.id)
    await web.t.ok(
      'mutation($input: UpdateIdentitiesInput!) { updateIdentities(input: $input) { results { userErrors { message } } } }',
      {
        input: {
          updates: [{ identityId: largest.id, expectedRevision: revision, name: 'Kingfisher' }],
          idempotencyKey: key(),
        },
      },
    )
    await page.locator(members).nth(0).click()
    await page.keyboard.press('p')
    await page.locator('dialog[open]').getByRole('button', { name: 'Split off' }).click()
    await page.getByText('This identity has changed since you opened it.').waitFor()
    await page.getByText('Ada named it').first().waitFor()
    await page.getByRole('button', { name: 'Show the new state' }).click()
    await page.locator('h1:has-text("Kingfisher")').waitFor()
    await context.close()
  })

  it(`scrolls through ${MANY.toLocaleString()} members, of which only the visible ones exist`, async () => {
    const identityId = await makeLargeIdentity()
    const { page, context, problems } = await web.openTab({
      projectId,
      path: `/identities/${encodeId('Identity', { projectId: ref, id: identityId })}`,
    })
    await page.locator(members).nth(20).waitFor()
    const startedAt = performance.now()
    let seen = 0
    while (seen < MANY && performance.now() - startedAt < 120_000) {
      await page.evaluate(`${LIST}.scrollTop = ${LIST}.scrollHeight`)
      await page.waitForTimeout(20)
      seen = Number(await page.locator(members).last().getAttribute('aria-posinset'))
    }
    expect(seen).toBe(MANY)
    expect(await page.locator(members).count()).toBeLessThan(150)
    // Frames while the whole list is scrolled by: none may hang.
    const worst = await page.evaluate(`(async () => {
      const list = ${LIST}
      let worst = 0, last = performance.now()
      for (let i = 0; i < 60; i++) {
        list.scrollTop = (list.scrollHeight * i) / 60
        await new Promise(requestAnimationFrame)
        const now = performance.now()
        worst = Math.max(worst, now - last)
        last = now
      }
      return worst
    })()`)
    console.log(
      `${MANY.toLocaleString()} members loaded in ${((performance.now() - startedAt) / 1000).toFixed(1)} s, longest frame ${Number(worst).toFixed(0)} ms`,
    )
    expect(worst).toBeLessThan(1_000)
    expect(problems).toEqual([])
    await context.close()
  })

  /** Members without pictures: it is the list that is tested. */
  async function makeLargeIdentity(): Promise<string> {
    const { prisma } = web.t.app
    const identityId = newId()
    await prisma.identity.create({
      data: { projectId: ref, id: identityId, name: 'Many', state: 'CONFIRMED', memberCount: MANY },
    })
    const items = Array.from({ length: MANY }, (_, i) => ({ projectId: ref, id: newId(), externalKey: `many-${i}` }))
    await prisma.item.createMany({ data: items })
    await prisma.identityMember.createMany({
      data: items.map(({ id }, i) => ({ projectId: ref, itemId: id, identityId, source: 'HUMAN' as const, risk: i })),
    })
    return identityId
  }
})
