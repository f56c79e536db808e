import { useEffect, useState, useSyncExternalStore } from 'react'
import { Link } from 'wouter'
import { localMedia } from '../../api/media.ts'
import { useApi } from '../../api/use-api.ts'
import { QueueProgress } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { Drawer } from '../../parts/drawer.tsx'
import { KeyHelp } from '../../parts/key-help.tsx'
import { PathDrawer } from '../../parts/path-drawer.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { type KeyMap, useKeys } from '../../parts/use-keys.ts'
import { useProject, useViewer } from '../../shell/project-context.ts'
import { AssignQuestion } from './assign-question.tsx'
import { LeaseClock } from './lease-clock.tsx'
import { OutliersQuestion } from './outliers-question.tsx'
import { consequenceOf, PairQuestion } from './pair-question.tsx'
import type { QueueTask } from './queue-api.ts'
import styles from './queue-screen.module.css'
import type { Given, QueueState } from './queue-session.ts'
import { sessionOf } from './session-of.ts'
import { usePrefetch } from './use-prefetch.ts'

const TITLES: Record<QueueTask['kind'], string> = {
  EDGE: 'Are these the same?',
  MERGE: 'Are these the same?',
  OUTLIERS: 'Which of these do not belong?',
  ASSIGN: 'Where does this image belong?',
}

const KEYS = [
  ['S', 'Same; in a grid: all belong; for a free image: key 1'],
  ['D', 'Different; in a grid: the marked ones do not belong; for a free image: none of these'],
  ['U', 'Unsure: somebody else is asked'],
  ['X', 'Not a valid subject, such as a blur: leaves training'],
  ['Z', 'Undo the latest answer'],
  ['W', 'Why does the question come up?'],
  ['1 2 3', 'Choose: the left image, the right one, both; or a suggestion'],
  ['← ↑ ↓ →', 'Move in a grid'],
  ['Space', 'Mark in a grid; with Shift: a range'],
  ['Esc', 'Close, or unmark all'],
  ['?', 'These keys'],
] as const

const VERDICT_WORDS: Record<Given['verdict'], string> = {
  SAME: 'Same',
  DIFFERENT: 'Different',
  UNSURE: 'Unsure',
  INVALID_SUBJECT: 'Not a valid subject',
}

/** Answers given between two looks at how much is left. */
const ASK_PROGRESS_EVERY = 50

/** The queue: one question at a time, answered by single keys. */
export function QueueScreen() {
  const viewer = useViewer()
  const project = useProject()
  const session = sessionOf(viewer.id, project.id)
  const state = useSyncExternalStore(session.subscribe, session.getState)
  useEffect(() => {
    void session.start()
    return session.flush
  }, [session])
  usePrefetch(state.held)

  const [task] = state.held
  return (
    <div className={styles.screen}>
      <Status state={state} projectId={project.id} />
      <div className={styles.notices} aria-live="polite">
        {!state.isOnline && (
          <Banner tone="warn">
            The server cannot be reached. Go on: your answers are kept in this browser and sent as soon as it can.
          </Banner>
        )}
        {state.notices.map(({ id, tone, text }) => (
          <Banner key={id} tone={tone} onDismiss={() => session.dismiss(id)}>
            {text}
          </Banner>
        ))}
      </div>
      {state.phase === 'failed' && !task ? (
        <Failure error={state.error} onRetry={session.retry} />
      ) : task ? (
        <Question key={task.id} task={task} state={state} session={session} />
      ) : state.phase === 'loading' || (state.isClaiming && state.answered.length === 0) ? (
        <Loading label="Fetching the first questions" />
      ) : (
        <AllAnswered state={state} projectId={project.id} onUndo={session.undo} onRetry={session.retry} />
      )}
    </div>
  )
}

function AllAnswered({
  state,
  projectId,
  onUndo,
  onRetry,
}: {
  state: QueueState
  projectId: string
  onUndo(): Promise<void>
  onRetry(): void
}) {
  const progress = useApi(QueueProgress, { projectId })
  useKeys({ z: () => void onUndo() })
  if (progress.data?.project && !progress.data.project.publishedRun) {
    return (
      <Empty title="No questions yet" action={<Link href="/runs">Go to runs</Link>}>
        Questions come from a published run. Start one under “Runs &amp; quality”, and publish it.
      </Empty>
    )
  }
  const waiting = state.answered.filter(({ state }) => state === 'waiting' || state === 'sending').length
  return (
    <Empty
      title={state.answered.length > 0 ? 'That was the last question' : 'No question is open'}
      action={
        <div className="row">
          {state.answered.length > 0 && (
            <button type="button" onClick={() => void onUndo()}>
              Undo the latest answer <kbd>Z</kbd>
            </button>
          )}
          <button type="button" className="primary" disabled={state.isClaiming} onClick={onRetry}>
            Look again
          </button>
        </div>
      }
    >
      {waiting > 0 && `${waiting} answers are still on their way. `}
      Everything else is answered, or held by somebody else. New questions appear here by themselves.
    </Empty>
  )
}

function Status({ state, projectId }: { state: QueueState; projectId: string }) {
  const progress = useApi(QueueProgress, { projectId }, { staleTime: 60_000 })
  const { refetch } = progress
  const given = state.answered.length
  useEffect(() => {
    if (given > 0 && given % ASK_PROGRESS_EVERY === 0) void refetch()
  }, [given, refetch])
  const stop = progress.data?.project?.stopSuggestion
  const unsent = state.answered.filter(({ state }) => state === 'waiting' || state === 'sending').length
  const [askedAt, setAskedAt] = useState(0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the count at the moment the server was asked
  useEffect(() => setAskedAt(given), [progress.dataUpdatedAt])
  const open = stop ? Math.max(0, stop.openQuestions - (given - askedAt)) : undefined
  return (
    <div className={styles.status}>
      <span className={styles.fact}>
        <strong className="number">{given.toLocaleString()}</strong> answered
      </span>
      {open !== undefined && (
        <span className={styles.fact}>
          <strong className="number">{open.toLocaleString()}</strong> open
        </span>
      )}
      {stop && (
        <span
          className={styles.fact}
          title="Pairs of images that are expected to be wrong, and that the open questions are about"
        >
          Remaining risk <strong className="number">{formatRisk(stop.openExpectedWrongPairs)}</strong> wrong pairs
        </span>
      )}
      {stop?.isSuggested && (
        <span className={styles.stop} title={stop.reason}>
          ✓ You may stop: {stop.reason}
        </span>
      )}
      <span className={styles.spring} />
      <span className={`${styles.fact} ${styles.unsent}`} role="status">
        {unsent > 0 ? `${unsent} not sent yet` : given > 0 ? '✓ All sent' : ''}
      </span>
      {state.leaseEndsAtMs !== undefined && <LeaseClock endsAtMs={state.leaseEndsAtMs} />}
    </div>
  )
}

const formatRisk = (risk: number) => (risk >= 10 ? Math.round(risk).toLocaleString() : risk.toFixed(1))

function Question({
  task,
  state,
  session,
}: {
  task: QueueTask
  state: QueueState
  session: ReturnType<typeof sessionOf>
}) {
  const [open, setOpen] = useState<'why' | 'help' | 'zoom'>()
  const [zoomed, setZoomed] = useState<QueueTask['panels'][number]['items'][number]>()
  const [isChoosing, setChoosing] = useState(false)
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set())
  const { kind, panels } = task
  const isPair = kind === 'EDGE' || kind === 'MERGE'
  const suggestions = kind === 'ASSIGN' ? panels.slice(1) : []
  const pair = panels.map(({ items }) => items[0]?.id ?? '')
  const outlierItemIds = [...marked]

  const same = () => {
    if (kind === 'OUTLIERS') return marked.size === 0 && session.answer({ verdict: 'SAME', outlierItemIds: [] })
    if (kind === 'ASSIGN') return choose(0)
    return session.answer({ verdict: 'SAME' })
  }
  const different = () => {
    // At least one image must belong: a group of strangers is no answer.
    if (kind === 'OUTLIERS' && (marked.size === 0 || marked.size === panels[0]?.items.length)) return
    session.answer({ verdict: 'DIFFERENT', ...(kind === 'OUTLIERS' && { outlierItemIds }) })
  }
  const choose = (index: number) => {
    const identityId = suggestions[index]?.identity?.id
    if (identityId) session.answer({ verdict: 'SAME', identityId })
  }
  const invalid = () => {
    if (isPair) return setChoosing(!isChoosing)
    if (kind === 'OUTLIERS') {
      if (marked.size > 0) session.answer({ verdict: 'INVALID_SUBJECT', outlierItemIds })
      return
    }
    session.answer({ verdict: 'INVALID_SUBJECT', outlierItemIds: pair.slice(0, 1) })
  }
  const chooseInvalid = (itemIds: string[]) => session.answer({ verdict: 'INVALID_SUBJECT', outlierItemIds: itemIds })
  const why = () => task.edge && setOpen('why')
  const undo = () => void session.undo()

  const numbers: KeyMap = isChoosing
    ? {
        1: () => chooseInvalid(pair.slice(0, 1)),
        2: () => chooseInvalid(pair.slice(1, 2)),
        3: () => chooseInvalid(pair.slice(0, 2)),
        Escape: () => setChoosing(false),
      }
    : Object.fromEntries(suggestions.map((_, i) => [String(i + 1), () => choose(i)]))
  useKeys({
    s: () => void same(),
    d: different,
    u: () => session.answer({ verdict: 'UNSURE' }),
    x: invalid,
    z: undo,
    w: why,
    '?': () => setOpen('help'),
    ...(kind === 'OUTLIERS' && { Escape: () => setMarked(new Set()) }),
    ...numbers,
  })

  const latest = state.answered.at(-1)
  return (
    <>
      <div className={styles.heading}>
        <h1>{TITLES[kind]}</h1>
        <p className={styles.consequence}>
          {isPair && consequenceOf(task)}
          {kind === 'OUTLIERS' &&
            `A group of ${panels[0]?.memberCount.toLocaleString()} images. Mark with a click, or arrow keys and Space.`}
          {kind === 'ASSIGN' && 'Press the number of the group it belongs to, or D for none of these.'}{' '}
          <span
            className={styles.gain}
            title="Pairs of images that are expected to be wrong, and that a right answer puts right"
          >
            Expected errors <strong className="number">−{formatRisk(task.priority)}</strong>
          </span>
        </p>
      </div>
      <div className={styles.body} data-question={task.id} data-kind={kind}>
        {isPair && (
          <PairQuestion
            task={task}
            isChoosing={isChoosing}
            onZoom={(item) => {
              setZoomed(item)
              setOpen('zoom')
            }}
          />
        )}
        {kind === 'OUTLIERS' && <OutliersQuestion task={task} marked={marked} onMark={setMarked} />}
        {kind === 'ASSIGN' && (
          <AssignQuestion task={task} onChoose={(identityId) => session.answer({ verdict: 'SAME', identityId })} />
        )}
      </div>
      <div className={styles.actions} role="toolbar" aria-label="Answers">
        {isChoosing ? (
          <>
            <span className={styles.ask}>Which one is not a valid subject?</span>
            <Answer name="Left" hint="1" onPress={() => chooseInvalid(pair.slice(0, 1))} />
            <Answer name="Right" hint="2" onPress={() => chooseInvalid(pair.slice(1, 2))} />
            <Answer name="Both" hint="3" onPress={() => chooseInvalid(pair.slice(0, 2))} />
            <Answer name="Back" hint="Esc" onPress={() => setChoosing(false)} />
          </>
        ) : (
          <>
            {kind === 'ASSIGN' ? null : (
              <Answer
                name={kind === 'OUTLIERS' ? 'All belong' : 'Same'}
                hint="S"
                isMain
                isDisabled={kind === 'OUTLIERS' && marked.size > 0}
                onPress={() => void same()}
              />
            )}
            <Answer
              name={
                kind === 'OUTLIERS'
                  ? marked.size > 0
                    ? `${marked.size} do not belong`
                    : 'Marked do not belong'
                  : kind === 'ASSIGN'
                    ? 'None of these'
                    : 'Different'
              }
              hint="D"
              isMain
              isDisabled={kind === 'OUTLIERS' && (marked.size === 0 || marked.size === panels[0]?.items.length)}
              onPress={different}
            />
            <Answer name="Unsure" hint="U" onPress={() => session.answer({ verdict: 'UNSURE' })} />
            <Answer
              name="Not a valid subject"
              hint="X"
              isDisabled={kind === 'OUTLIERS' && marked.size === 0}
              onPress={invalid}
            />
            <span className={styles.divider} />
            <Answer
              name={latest ? `Undo “${VERDICT_WORDS[latest.given.verdict]}”` : 'Undo'}
              hint="Z"
              isDisabled={!latest || state.isUndoing}
              onPress={undo}
            />
            <Answer name="Why?" hint="W" isDisabled={!task.edge} onPress={why} />
            <Answer name="Keys" hint="?" onPress={() => setOpen('help')} />
          </>
        )}
      </div>
      {open === 'help' && <KeyHelp keys={KEYS} onClose={() => setOpen(undefined)} />}
      {open === 'why' && task.edge && (
        <PathDrawer vertexId={task.edge.child.id} link={task.edge} onClose={() => setOpen(undefined)} />
      )}
      {open === 'zoom' && zoomed && (
        <Drawer title={zoomed.externalKey} isCentred onClose={() => setOpen(undefined)}>
          <img className={styles.zoomed} src={localMedia(zoomed.imageUrl)} alt={zoomed.externalKey} />
        </Drawer>
      )}
    </>
  )
}

function Answer({
  name,
  hint,
  onPress,
  isMain = false,
  isDisabled = false,
}: {
  name: string
  hint: string
  onPress(): void
  isMain?: boolean
  isDisabled?: boolean
}) {
  return (
    <button
      type="button"
      className={`${styles.answer} ${isMain ? styles.main : ''}`}
      disabled={isDisabled}
      aria-keyshortcuts={hint === '?' ? 'Shift+?' : hint}
      onClick={onPress}
    >
      {name} <kbd>{hint}</kbd>
    </button>
  )
}
