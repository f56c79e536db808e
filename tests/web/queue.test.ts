import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeRoot, encodeRoot } from '../../src/resolvers/global-id.ts'
import { newId } from '../../src/services/id.ts'
import { createUserWithToken } from '../../src/services/users.ts'
import { openQueueProject } from '../support/queue-project.ts'
import { openReviewProject } from '../support/review-project.ts'
import { hasBrowser, openPageApp, type PageApp, seriousViolations, type Tab } from './browser.ts'

const QUESTION = '[data-question]'

describe.skipIf(!hasBrowser)('the queue in a browser', () => {
  let web: PageApp
  let projectId: string
  let ref: string
  let beaToken: string

  beforeAll(async () => {
    web = await openPageApp()
    ;({ projectId } = await openReviewProject(web.t))
    ref = decodeRoot('Project', projectId)
    const bea = await createUserWithToken(web.t.app, 'Bea')
    beaToken = bea.secret
    await web.t.app.prisma.membership.create({ data: { projectId: ref, userId: bea.user.id, role: 'REVIEWER' } })
  }, 180_000)
  afterAll(() => web?.close())

  const countAnswers = () => web.t.app.prisma.reviewAnswer.count({ where: { projectId: ref } })
  const question = (page: Tab['page']) => page.locator('[data-question]').getAttribute('data-question')

  /** Presses a key, and waits for another question. */
  async function answer({ page }: Tab, key: string): Promise<void> {
    const before = await question(page)
    const isGrid = (await page.locator(QUESTION).getAttribute('data-kind')) === 'OUTLIERS'
    // In a grid nothing is marked here: all belong.
    await page.keyboard.press(isGrid && key === 'd' ? 's' : key)
    await page.locator(`[data-question]:not([data-question="${before}"])`).waitFor()
  }

  async function close(tab: Tab): Promise<void> {
    await tab.page.close({ runBeforeUnload: false })
    await tab.context.close()
    // What a closed page held is free for the next test.
    await web.t.app.prisma.reviewTask.updateMany({
      where: { projectId: ref, state: 'LEASED' },
      data: { state: 'PENDING', assigneeId: null, leaseExpiresAt: null },
    })
  }

  const eventually = async (what: () => Promise<number>, wanted: number) => {
    for (let i = 0; i < 200 && (await what()) !== wanted; i++) await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await what()).toBe(wanted)
  }

  it('takes 25 answers by keys in one request a batch, the rest when the page is left', async () => {
    const startedAt = performance.now()
    const tab = await web.openTab({ projectId })
    await tab.page.waitForSelector(QUESTION)
    // Asked over and over from outside: the page's own policy forbids what waitForFunction does.
    const isShown = () =>
      tab.page.evaluate<boolean>(
        '[...document.querySelectorAll("main img")].slice(0, 2).every((image) => image.complete && image.naturalWidth > 0)',
      )
    while (!(await isShown())) await new Promise((resolve) => setTimeout(resolve, 20))
    const firstMs = performance.now() - startedAt
    // The page's clock stands still, so that a slow machine is not taken for somebody who pauses.
    await tab.page.clock.setFixedTime(new Date())
    const answeringAt = performance.now()
    for (let i = 0; i < 25; i++) await answer(tab, 'dsudd'[i % 5] as string)
    const perMinute = (25 / (performance.now() - answeringAt)) * 60_000
    await eventually(countAnswers, 20)
    await expectText(tab, '5 not sent yet')
    const requests = tab.sent.filter((name) => name !== 'Start' && name !== 'QueueProgress')
    expect(requests).toEqual(['ClaimTasks', 'SubmitAnswers', 'SubmitAnswers'])
    // Another page: nothing waits for a button.
    await tab.page.goto('about:blank')
    await eventually(countAnswers, 25)
    await eventually(() => web.t.app.prisma.reviewTask.count({ where: { projectId: ref, state: 'LEASED' } }), 0)
    expect(tab.problems).toEqual([])
    console.log(
      `first question after ${firstMs.toFixed(0)} ms, ${perMinute.toFixed(0)} answers a minute, ${requests.length - 1} requests for two batches`,
    )
    await close(tab)
  })

  async function expectText({ page }: Tab, text: string): Promise<void> {
    await page.getByText(text).first().waitFor()
  }

  it('takes the latest answer back without a request, and undoes one that has left', async () => {
    const tab = await web.openTab({ projectId })
    await tab.page.waitForSelector(QUESTION)
    const first = await question(tab.page)
    const before = await countAnswers()
    await answer(tab, 'd')
    await answer(tab, 'z')
    expect(await question(tab.page)).toBe(first)
    expect(await countAnswers()).toBe(before)
    expect(tab.sent).not.toContain('SubmitAnswers')
    // Ten of twelve leave; the third step back is the server's.
    await tab.page.clock.setFixedTime(new Date())
    const shown: (string | null)[] = []
    for (let i = 0; i < 12; i++) {
      shown.push(await question(tab.page))
      await answer(tab, 'u')
    }
    await eventually(countAnswers, before + 10)
    await expectText(tab, '2 not sent yet')
    await answer(tab, 'z')
    await answer(tab, 'z')
    expect(await question(tab.page)).toBe(shown[10])
    await answer(tab, 'z')
    expect(await question(tab.page)).toBe(shown[9])
    expect(await countAnswers()).toBe(before + 9)
    await close(tab)
  })

  it('says that an answer came too late when another person has taken the question', async () => {
    const mine = await web.openTab({ projectId })
    await mine.page.waitForSelector(QUESTION)
    // The hold lapses while this person is away.
    await web.t.app.prisma.$executeRaw`
      UPDATE "ReviewTask" SET "leaseExpiresAt" = now() - interval '1 minute' WHERE "projectId" = ${ref}::uuid AND "state" = 'LEASED'`
    const theirs = await web.openTab({ projectId, token: beaToken })
    await theirs.page.waitForSelector(QUESTION)
    for (let i = 0; i < 12; i++) await answer(theirs, 'd')
    await theirs.page.goto('about:blank')
    for (let i = 0; i < 12; i++) await answer(mine, 's')
    const banner = mine.page.getByRole('alert').filter({ hasText: 'One answer' }).first()
    await banner.waitFor()
    expect(await banner.textContent()).toMatch(/too late|was not taken/)
    await close(theirs)
    await close(mine)
  })

  it('extends the hold of somebody at work, and counts answers whose hold has lapsed while nobody else took them', async () => {
    const tab = await web.openTab({ projectId })
    await tab.page.waitForSelector(QUESTION)
    await web.t.app.prisma.$executeRaw`
      UPDATE "ReviewTask" SET "leaseExpiresAt" = now() - interval '1 minute' WHERE "projectId" = ${ref}::uuid AND "state" = 'LEASED'`
    const before = await countAnswers()
    for (let i = 0; i < 12; i++) await answer(tab, 'u')
    await eventually(countAnswers, before + 10)
    expect(await tab.page.getByRole('alert').count()).toBe(0)
    // Back after eleven minutes by the page's clock: a move of the mouse asks for the questions again.
    await tab.page.clock.setFixedTime(new Date(Date.now() + 11 * 60_000))
    await tab.page.mouse.move(300, 300)
    await tab.page.mouse.move(320, 300)
    for (let i = 0; i < 200 && !tab.sent.includes('RenewLeases'); i++)
      await new Promise((resolve) => setTimeout(resolve, 50))
    expect(tab.sent).toContain('RenewLeases')
    await close(tab)
  })

  it('keeps answers while the network is away, and sends them once when it is back', async () => {
    const tab = await web.openTab({ projectId })
    await tab.page.waitForSelector(QUESTION)
    const before = await countAnswers()
    await tab.context.setOffline(true)
    for (let i = 0; i < 12; i++) await answer(tab, 'u')
    await expectText(tab, 'The server cannot be reached')
    expect(await countAnswers()).toBe(before)
    await tab.context.setOffline(false)
    await eventually(countAnswers, before + 10)
    await tab.page.getByText('The server cannot be reached').waitFor({ state: 'detached' })
    await close(tab)
  })

  it('sends after a reload what it could not send before, once', async () => {
    const tab = await web.openTab({ projectId })
    await tab.page.waitForSelector(QUESTION)
    const before = await countAnswers()
    await tab.page.route('**/graphql', (route) => route.abort())
    for (let i = 0; i < 3; i++) await answer(tab, 'u')
    await tab.page.unroute('**/graphql')
    await tab.page.reload()
    await tab.page.waitForSelector(QUESTION)
    await eventually(countAnswers, before + 3)
    expect(await tab.page.evaluate('Object.keys(localStorage).filter((key) => key.includes("outbox"))')).toEqual([])
    await close(tab)
  })

  it('marks the images of a grid that do not belong, by arrow keys and Space', async () => {
    // A grid of the largest identity, first in the queue.
    const { prisma } = web.t.app
    const { runId } = await prisma.reviewTask.findFirstOrThrow({ where: { projectId: ref } })
    const identity = await prisma.identity.findFirstOrThrow({
      where: { projectId: ref },
      orderBy: { memberCount: 'desc' },
    })
    const members = await prisma.identityMember.findMany({ where: { projectId: ref, identityId: identity.id } })
    const itemIds = members.map(({ itemId }) => itemId)
    await prisma.reviewTask.create({
      data: {
        projectId: ref,
        id: newId(),
        kind: 'OUTLIERS',
        priority: 1e6,
        runId,
        questionKey: 'grid of the test',
        leftItemId: itemIds[0],
        leftIdentityId: identity.id,
        probability: 0.5,
        panels: { left: { itemIds, memberCount: itemIds.length } },
      },
    })
    const tab = await web.openTab({ projectId })
    await tab.page.locator('[data-kind="OUTLIERS"]').waitFor()
    const marked = tab.page.locator('[role=option][aria-selected=true]')
    await tab.page.getByRole('listbox').focus()
    await tab.page.keyboard.press('ArrowRight')
    await tab.page.keyboard.press('Space')
    expect(await marked.count()).toBe(1)
    expect(await seriousViolations(tab.page)).toEqual([])
    await tab.page.keyboard.press('Escape')
    expect(await marked.count()).toBe(0)
    await tab.page.keyboard.press('Space')
    const before = await countAnswers()
    const shown = await question(tab.page)
    await tab.page.keyboard.press('d')
    await tab.page.locator(`[data-question]:not([data-question="${shown}"])`).waitFor()
    await tab.page.goto('about:blank')
    await eventually(countAnswers, before + 1)
    const given = await web.t.app.prisma.reviewAnswer.findFirstOrThrow({
      where: { projectId: ref },
      orderBy: { answeredAt: 'desc' },
    })
    expect(given).toMatchObject({ verdict: 'DIFFERENT' })
    expect(given.outlierItemIds).toHaveLength(1)
    await close(tab)
  })

  it('has no serious violation of accessibility, light and dark, with its dialogs', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const tab = await web.openTab({ projectId, colorScheme, reducedMotion: 'reduce' })
      await tab.page.waitForSelector(QUESTION)
      expect(await seriousViolations(tab.page), `queue, ${colorScheme}`).toEqual([])
      // Why is asked of a pair.
      while ((await tab.page.locator('[data-kind="EDGE"], [data-kind="MERGE"]').count()) === 0) await answer(tab, 'u')
      await tab.page.keyboard.press('w')
      await tab.page.getByText('likely the same').first().waitFor()
      expect(await seriousViolations(tab.page), `why, ${colorScheme}`).toEqual([])
      await tab.page.keyboard.press('Escape')
      await tab.page.getByRole('link', { name: 'Low confidence' }).click()
      await tab.page.getByRole('listbox').waitFor()
      expect(await seriousViolations(tab.page), `low confidence, ${colorScheme}`).toEqual([])
      await close(tab)
    }
  })

  it('places a free image by the number of its group', async () => {
    const several = (truth: string) => Array.from({ length: 4 }, () => ({ truth }))
    const p = await openQueueProject(
      web.t,
      [[{ truth: 'b' }], several('a'), several('b')],
      [
        { left: [0, 0], right: [1, 0], probability: 0.5 },
        { left: [0, 0], right: [2, 0], probability: 0.4 },
      ],
    )
    const ada = await web.t.app.prisma.user.findFirstOrThrow({ where: { displayName: 'Ada' } })
    const task = await web.t.app.prisma.reviewTask.findFirstOrThrow({
      where: { projectId: p.projectId, kind: 'ASSIGN' },
    })
    // The first question, whatever else is open.
    await web.t.app.prisma.reviewTask.update({
      where: { projectId_id: { projectId: p.projectId, id: task.id } },
      data: { priority: 1e6 },
    })
    const tab = await web.openTab({ projectId: encodeRoot('Project', p.projectId) })
    await tab.page.locator('[data-kind="ASSIGN"]').waitFor()
    const groups = tab.page.getByRole('list', { name: 'Suggestions' }).getByRole('button')
    expect(await groups.count()).toBe(2)
    expect(await seriousViolations(tab.page)).toEqual([])
    // A number without a group is no answer.
    const shown = await question(tab.page)
    await tab.page.keyboard.press('3')
    expect(await question(tab.page)).toBe(shown)
    await tab.page.keyboard.press('2')
    await tab.page.locator(`[data-question="${shown}"]`).waitFor({ state: 'detached' })
    await tab.page.goto('about:blank')
    const given = () => web.t.app.prisma.reviewAnswer.findMany({ where: { projectId: p.projectId, taskId: task.id } })
    await eventually(async () => (await given()).length, 1)
    const { candidates } = task.panels as unknown as { candidates: { identityId: string }[] }
    expect(await given()).toMatchObject([{ verdict: 'SAME', actorId: ada.id, identityId: candidates[1]?.identityId }])
    const member = await web.t.app.prisma.identityMember.findFirstOrThrow({
      where: { projectId: p.projectId, itemId: task.leftItemId as string },
    })
    expect(member).toMatchObject({ identityId: candidates[1]?.identityId, source: 'HUMAN' })
    expect(tab.problems).toEqual([])
    await tab.context.close()
  })

  it('the sign-in and the list of keys have no serious violation of accessibility, light and dark', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const tab = await web.openTab({ projectId, colorScheme, reducedMotion: 'reduce' })
      await tab.page.waitForSelector(QUESTION)
      await tab.page.keyboard.press('?')
      await tab.page.getByRole('dialog', { name: 'Keys' }).waitFor()
      expect(await seriousViolations(tab.page), `keys, ${colorScheme}`).toEqual([])
      await tab.page.keyboard.press('Escape')
      await tab.page.getByRole('dialog').waitFor({ state: 'detached' })

      await tab.context.clearCookies()
      await tab.page.reload()
      await tab.page.getByRole('heading', { name: 'Sign in to review' }).waitFor()
      expect(await seriousViolations(tab.page), `sign-in, ${colorScheme}`).toEqual([])
      await tab.page.getByRole('textbox').or(tab.page.locator('input[type=password]')).first().fill('wrong')
      await tab.page.getByRole('button', { name: 'Sign in' }).click()
      await tab.page.getByRole('alert').waitFor()
      expect(await seriousViolations(tab.page), `sign-in refused, ${colorScheme}`).toEqual([])
      await close(tab)
    }
  })
})
