import { ConnectionError } from '../../api/errors.ts'
import type { ReviewAnswerInput, ReviewVerdict } from '../../generated/operations.ts'
import { ABANDONED_MS, type Batch, type OutboxStore } from './outbox.ts'
import { describeDecision, type QueueApi, type QueueTask, type SubmitPayload } from './queue-api.ts'
import { createSettledPairs, pairOf, type SettledPairs } from './settled-pairs.ts'

/** Answers that go in one request. */
export const BATCH = 10
/** The latest answers stay here a moment longer: taking one back costs no request and leaves no trace. */
const KEEP_BACK = 2
/** Questions held ahead, so that none is waited for while a batch is on its way. */
const HOLD = 20
const MAX_CLAIM = 25
/** Somebody who pauses this long has their answers sent, however few. */
const IDLE_FLUSH_MS = 15_000
/** Holds are extended once they have less than this left, for somebody who is at work. */
const RENEW_BELOW_MS = 4 * 60_000
const AT_WORK_MS = 3 * 60_000
const TICK_MS = 5_000
/** An empty queue is asked again this often. */
const LOOK_AGAIN_MS = 30_000
const RETRY_MS = [500, 1_000, 2_000, 5_000, 10_000, 30_000]

/** An answer as a person gives it. */
export interface Given {
  readonly verdict: ReviewVerdict
  readonly outlierItemIds?: string[]
  readonly identityId?: string
}

export interface Answered {
  readonly task: QueueTask
  readonly given: Given
  /** `waiting` for its batch, `sending`, `taken` by the server, `refused`. */
  readonly state: 'waiting' | 'sending' | 'taken' | 'refused'
  readonly answer: ReviewAnswerInput
  readonly decisionId?: string
}

export interface Notice {
  readonly id: number
  readonly tone: 'note' | 'warn' | 'bad'
  readonly text: string
}

export interface QueueState {
  readonly phase: 'loading' | 'ready' | 'failed'
  readonly error?: unknown
  /** Questions in hand; the first is shown. */
  readonly held: readonly QueueTask[]
  /** Answers of this sitting, latest last. */
  readonly answered: readonly Answered[]
  /** False while the server cannot be reached. */
  readonly isOnline: boolean
  /** A request for more questions is on its way. */
  readonly isClaiming: boolean
  readonly isUndoing: boolean
  readonly notices: readonly Notice[]
  /** When the shown questions stop being held, by the server's clock. */
  readonly leaseEndsAtMs: number | undefined
  readonly requests: number
}

export interface QueueEnvironment {
  readonly api: QueueApi
  readonly store: OutboxStore
  readonly newKey: () => string
  readonly now: () => number
  /** By the server's clock. */
  readonly serverNow: () => number
  readonly isVisible: () => boolean
}

/**
 * The queue of one person in one project. Answers are taken at once and leave in batches, each in one request that brings
 * the next questions along; what cannot be sent is kept and tried again under the same key until the server has it.
 */
export function createQueueSession({ api, store, newKey, now, serverNow, isVisible }: QueueEnvironment) {
  let state: QueueState = {
    phase: 'loading',
    held: [],
    answered: [],
    isOnline: true,
    isClaiming: false,
    isUndoing: false,
    notices: [],
    leaseEndsAtMs: undefined,
    requests: 0,
  }
  const listeners = new Set<() => void>()
  let settled = createSettledPairs()
  /** Held, but not asked any more. */
  const settledIds: string[] = []
  let batches: Batch[] = []
  let isPumping = false
  let attempt = 0
  let shownAtMs = now()
  let lastAnswerAtMs = now()
  let lastActiveAtMs = now()
  let claimedAtMs = now()
  let adoptedAtMs = now()
  let noticeCount = 0
  let isStarted = false
  let retryTimer: ReturnType<typeof setTimeout> | undefined
  let ticker: ReturnType<typeof setInterval> | undefined

  function set(change: Partial<QueueState>): void {
    const shownBefore = state.held[0]?.id
    const held = change.held ?? state.held
    const ends = held.flatMap(({ leaseExpiresAt }) => (leaseExpiresAt ? [Date.parse(leaseExpiresAt)] : []))
    state = { ...state, ...change, leaseEndsAtMs: ends.length > 0 ? Math.min(...ends) : undefined }
    if (state.held[0]?.id !== shownBefore) shownAtMs = now()
    for (const listener of listeners) listener()
  }

  function notify(tone: Notice['tone'], text: string): void {
    if (state.notices.some((notice) => notice.text === text)) return
    set({ notices: [...state.notices.slice(-3), { id: ++noticeCount, tone, text }] })
  }

  const waiting = () => state.answered.filter((entry) => entry.state === 'waiting')
  const save = () => store.save({ batches, waiting: waiting().map(({ answer }) => answer) }, now())

  /** Takes over what other tabs have left. */
  function adopt(): void {
    const known = new Set(batches.map(({ idempotencyKey }) => idempotencyKey))
    batches.push(...store.adopt(now(), newKey).filter(({ idempotencyKey }) => !known.has(idempotencyKey)))
    adoptedAtMs = now()
    save()
    if (batches.length > 0) void pump()
  }

  function isSettled(task: QueueTask): boolean {
    const pair = pairOf(task)
    return pair !== undefined && settled.knows(...pair)
  }

  /** Drops what an earlier decision of this sitting answers, and what is in hand already. */
  function unasked(tasks: readonly QueueTask[], held = state.held): QueueTask[] {
    const known = new Set([...held, ...state.answered.map(({ task }) => task)].map(({ id }) => id))
    settledIds.push(...tasks.filter(isSettled).map(({ id }) => id))
    return tasks.filter((task) => !known.has(task.id) && !isSettled(task))
  }

  async function claim(): Promise<void> {
    if (state.isClaiming) return
    set({ isClaiming: true, requests: state.requests + 1 })
    claimedAtMs = now()
    try {
      const { tasks, userErrors } = await api.claim(HOLD)
      if (userErrors[0]) throw new Error(userErrors[0].message)
      set({ phase: 'ready', error: undefined, held: [...state.held, ...unasked(tasks)], isOnline: true })
    } catch (error) {
      if (state.held.length === 0) set({ phase: 'failed', error })
    } finally {
      set({ isClaiming: false })
    }
  }

  /** Moves waiting answers into a batch: all of them, or the oldest once enough have come together. */
  function fillBatch(isAll: boolean): void {
    const ready = waiting()
    const count = isAll ? Math.min(ready.length, MAX_CLAIM) : ready.length >= BATCH + KEEP_BACK ? BATCH : 0
    if (count === 0) return
    const leaving = new Set(ready.slice(0, count))
    batches.push({
      idempotencyKey: newKey(),
      answers: [...leaving].map(({ answer }) => answer),
      claimNext: Math.max(0, Math.min(MAX_CLAIM, HOLD - state.held.length)),
    })
    set({
      answered: state.answered.map((entry) => (leaving.has(entry) ? { ...entry, state: 'sending' as const } : entry)),
    })
    save()
    void pump()
  }

  function takeResults(batch: Batch, { results, nextTasks, userErrors }: SubmitPayload): void {
    const [refusal] = userErrors
    const byTask = new Map(results.map((result) => [result.task.id, result]))
    const mine = new Set(batch.answers.map(({ taskId }) => taskId))
    set({
      answered: state.answered.map((entry) => {
        if (!mine.has(entry.task.id)) return entry
        const result = byTask.get(entry.task.id)
        const isRefused = refusal !== undefined || (result?.userErrors.length ?? 0) > 0
        return {
          ...entry,
          state: isRefused ? ('refused' as const) : ('taken' as const),
          decisionId: result?.decision?.id ?? undefined,
        }
      }),
    })
    settled = settledBy(state.answered)
    // The question on the screen stays: it must not change under somebody's finger.
    const needless = state.held.slice(1).filter(isSettled)
    settledIds.push(...needless.map(({ id }) => id))
    const held = state.held.filter((task) => !needless.includes(task))
    set({ held: [...held, ...unasked(nextTasks, held)] })
    if (refusal) notify('bad', `${batch.answers.length} answers were refused: ${refusal.message}`)
    for (const { task, userErrors } of results) if (userErrors[0]) void explainRefusal(task.id, userErrors[0])
  }

  type Refusal = SubmitPayload['results'][number]['userErrors'][number]

  async function explainRefusal(taskId: string, refusal: Refusal): Promise<void> {
    const seen = refusal.__typename === 'StaleRevisionError' ? refusal.interveningDecisions[0] : undefined
    const change = seen ? describeDecision(seen) : await api.latestChange(taskId).catch(() => undefined)
    const who = change ? ` ${change}.` : ''
    if (refusal.code === 'LEASE_LOST') {
      notify('warn', `One answer came too late: ${lowerFirst(refusal.message)}.${who}`)
    } else {
      notify('warn', `One answer was not taken: ${lowerFirst(refusal.message)}.${who}`)
    }
  }

  /** Sends the batches one after another; a failure to connect is tried again with growing pauses. */
  async function pump(): Promise<void> {
    if (isPumping) return
    isPumping = true
    clearTimeout(retryTimer)
    try {
      while (batches.length > 0) {
        const batch = batches[0] as Batch
        set({ requests: state.requests + 1 })
        const payload = await api.submit(batch)
        attempt = 0
        batches = batches.slice(1)
        takeResults(batch, payload)
        set({ isOnline: true })
        save()
      }
      if (state.phase === 'ready' && state.held.length === 0 && waiting().length === 0) await claim()
    } catch (error) {
      if (error instanceof ConnectionError) {
        set({ isOnline: false })
        retryTimer = setTimeout(() => void pump(), RETRY_MS[Math.min(attempt++, RETRY_MS.length - 1)])
      } else {
        // Refused as a whole: sending it again would be refused again.
        const [batch, ...others] = batches
        batches = others
        const lost = new Set(batch?.answers.map(({ taskId }) => taskId))
        set({
          answered: state.answered.map((entry) =>
            lost.has(entry.task.id) ? { ...entry, state: 'refused' as const } : entry,
          ),
        })
        save()
        notify('bad', `${lost.size} answers were refused: ${(error as Error).message}`)
      }
    } finally {
      isPumping = false
    }
  }

  /** Extends the holds; what somebody else has taken meanwhile is dropped, and said. */
  async function renew(): Promise<void> {
    const ids = state.held.slice(0, MAX_CLAIM).map(({ id }) => id)
    if (ids.length === 0) return
    set({ requests: state.requests + 1 })
    const renewed = new Map((await api.renew(ids)).map((task) => [task.id, task]))
    const asked = new Set(ids)
    const kept = state.held.filter(({ id }) => renewed.has(id) || !asked.has(id))
    const lost = state.held.length - kept.length
    set({ held: kept.map((task) => ({ ...task, ...renewed.get(task.id) })) })
    if (lost > 0) {
      notify('warn', `${lost === 1 ? 'One question was' : `${lost} questions were`} taken over while you were away.`)
    }
    if (state.held.length === 0) await claim()
  }

  let isRenewing = false
  async function renewOnce(): Promise<void> {
    if (isRenewing) return
    isRenewing = true
    await renew().catch(() => {})
    isRenewing = false
  }

  function tick(): void {
    if (waiting().length > 0 && now() - lastAnswerAtMs > IDLE_FLUSH_MS) fillBatch(true)
    if (now() - adoptedAtMs > ABANDONED_MS) adopt()
    if (!isVisible()) return
    const { leaseEndsAtMs, phase, held } = state
    if (phase === 'ready' && held.length === 0 && now() - claimedAtMs > LOOK_AGAIN_MS) void claim()
    // Nobody is there: whoever else works may take the questions.
    const isAtWork = now() - lastActiveAtMs < AT_WORK_MS
    if (isAtWork && leaseEndsAtMs !== undefined && leaseEndsAtMs - serverNow() < RENEW_BELOW_MS) void renewOnce()
  }

  return {
    subscribe(listener: () => void): () => void {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    getState: () => state,

    /** Claims the first questions, and sends what an earlier visit left. */
    async start(): Promise<void> {
      if (isStarted) return
      isStarted = true
      ticker = setInterval(tick, TICK_MS)
      adopt()
      await claim()
    },

    retry: () => void claim(),

    /** Takes an answer to the shown question and shows the next one. */
    answer(given: Given): void {
      const [task, ...rest] = state.held
      if (!task) return
      lastAnswerAtMs = lastActiveAtMs = now()
      const answer: ReviewAnswerInput = {
        taskId: task.id,
        expectedRevision: task.revision,
        verdict: given.verdict,
        durationMs: Math.max(0, Math.round(now() - shownAtMs)),
        ...(given.outlierItemIds && { outlierItemIds: given.outlierItemIds }),
        ...(given.identityId && { identityId: given.identityId }),
      }
      set({ held: rest, answered: [...state.answered, { task, given, answer, state: 'waiting' }] })
      save()
      fillBatch(rest.length === 0)
    },

    /** Takes the latest answer back. One that has left is undone by the server, and the question is shown again. */
    async undo(): Promise<void> {
      const latest = state.answered.findLast(({ state }) => state !== 'refused')
      if (!latest || state.isUndoing) return
      const without = () => state.answered.filter(({ task }) => task.id !== latest.task.id)
      if (latest.state === 'waiting') {
        set({ answered: without(), held: [latest.task, ...state.held] })
        save()
        return
      }
      if (latest.state === 'sending') return notify('note', 'This answer is on its way: undo it in a moment.')
      set({ isUndoing: true, requests: state.requests + 1 })
      try {
        const { task, blockedBy, userErrors } = await api.retract(latest.task.id)
        if (userErrors[0]) return notify('warn', `It could not be undone: ${lowerFirst(userErrors[0].message)}.`)
        if (!task) {
          const [blocker] = blockedBy
          return notify(
            'warn',
            `Later decisions stand on this one${blocker ? `: ${describeDecision(blocker)}` : ''}. Undo those first, in the history of the identity.`,
          )
        }
        set({ answered: without() })
        settled = settledBy(state.answered)
        set({ held: [task, ...state.held] })
      } catch {
        notify('warn', 'It could not be undone: the server cannot be reached. Try again in a moment.')
      } finally {
        set({ isUndoing: false })
      }
    },

    /** Sends what waits, without waiting for more. */
    flush: () => fillBatch(true),

    dismiss: (id: number) => set({ notices: state.notices.filter((notice) => notice.id !== id) }),

    /** The network is back, or the page is looked at again. */
    wake(): void {
      attempt = 0
      if (batches.length > 0) void pump()
      tick()
    },

    /** Somebody moves or presses something: holds that have ended meanwhile are asked for again. */
    touch(): void {
      lastActiveAtMs = now()
      const { leaseEndsAtMs } = state
      if (leaseEndsAtMs !== undefined && leaseEndsAtMs < serverNow()) void renewOnce()
    },

    /** The page goes away: what waits is sent in a request that outlives it, and the questions in hand are given back. */
    leave(): void {
      clearInterval(ticker)
      clearTimeout(retryTimer)
      isStarted = false
      fillBatchSilently()
      for (const batch of batches) void api.submit({ ...batch }, { keepalive: true }).catch(() => {})
      const ids = [...state.held.map(({ id }) => id), ...settledIds.splice(0)]
      for (let i = 0; i < ids.length; i += MAX_CLAIM) void api.release(ids.slice(i, i + MAX_CLAIM)).catch(() => {})
      set({ held: [], phase: 'loading' })
    },
  }

  /** As fillBatch, for a page that is going: kept for the next visit, in case the request does not make it. */
  function fillBatchSilently(): void {
    const rest = waiting()
    if (rest.length > 0) {
      batches.push({ idempotencyKey: newKey(), answers: rest.map(({ answer }) => answer), claimNext: 0 })
      const leaving = new Set(rest)
      set({
        answered: state.answered.map((entry) => (leaving.has(entry) ? { ...entry, state: 'sending' as const } : entry)),
      })
    }
    save()
  }
}

/** What the decisions of this sitting say about pairs. */
function settledBy(answered: readonly Answered[]): SettledPairs {
  const settled = createSettledPairs()
  for (const { task, given, decisionId } of answered) {
    const pair = pairOf(task)
    if (!decisionId || !pair) continue
    if (given.verdict === 'SAME') settled.join(...pair)
    if (given.verdict === 'DIFFERENT') settled.part(...pair)
  }
  return settled
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)

export type QueueSession = ReturnType<typeof createQueueSession>
