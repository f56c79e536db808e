import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import { send } from '../../api/client.ts'
import type { ResultOf } from '../../api/typed-document.ts'
import { useApi } from '../../api/use-api.ts'
import { IdentityHead, IdentityMembers, IdentityPage, type MemberOrder } from '../../generated/operations.ts'
import { Banner } from '../../parts/banner.tsx'
import { ImageTile } from '../../parts/image-tile.tsx'
import { KeyHelp } from '../../parts/key-help.tsx'
import { PathDrawer } from '../../parts/path-drawer.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { useKeys } from '../../parts/use-keys.ts'
import { VirtualGrid } from '../../parts/virtual-grid.tsx'
import { HistoryDrawer } from './history-drawer.tsx'
import { IdentityHeader } from './identity-header.tsx'
import styles from './identity-screen.module.css'
import { nameOf, SOURCE_WORDS } from './identity-words.ts'
import { MergeStrip } from './merge-strip.tsx'
import { MoveDrawer } from './move-drawer.tsx'
import { PreviewDrawer } from './preview-drawer.tsx'
import { StaleBanner } from './stale-banner.tsx'
import { useCorrections } from './use-corrections.ts'

/** The most items that one decision names. */
const MAX_CHOSEN = 250
const WATCH_MS = 10_000

const ORDERS: [MemberOrder, string][] = [
  ['RISK_DESC', 'Riskiest first'],
  ['CONFIDENCE_DESC', 'Most typical first'],
  ['ADDED_DESC', 'Newest first'],
]

const KEYS = [
  ['P', 'Split the chosen images off'],
  ['M', 'Move the chosen images'],
  ['X', 'Exclude the chosen images'],
  ['W', 'Why is the image here?'],
  ['Space', 'Choose the image'],
  ['Shift ↓', 'Choose a range; dragging draws a box'],
  ['Ctrl A', 'Choose all that are loaded'],
  ['Esc', 'Choose none'],
  ['H', 'History'],
] as const

type Member = NonNullable<ResultOf<typeof IdentityPage>['identity']>['members']['edges'][number]

/** The first page brings the identity itself; the later ones bring members only. */
function useIdentity(id: string, orderBy: MemberOrder) {
  return useInfiniteQuery({
    queryKey: [IdentityPage.name, id, orderBy],
    queryFn: async ({ pageParam, signal }) => {
      if (pageParam === null) {
        const { identity } = await send(IdentityPage, { id, orderBy }, { signal })
        return { identity, members: identity?.members }
      }
      const { identity } = await send(IdentityMembers, { id, orderBy, after: pageParam }, { signal })
      return { identity: undefined, members: identity?.members }
    },
    initialPageParam: null as string | null,
    getNextPageParam: ({ members }) => (members?.pageInfo.hasNextPage ? members.pageInfo.endCursor : undefined),
    staleTime: Number.POSITIVE_INFINITY,
  })
}

/** One identity: its members riskiest first, what may belong to it, and every correction a person can make. */
export default function IdentityScreen({ identityId }: { identityId: string }) {
  const [orderBy, setOrderBy] = useState<MemberOrder>('RISK_DESC')
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const [activeVertexId, setActiveVertexId] = useState<string>()
  const [open, setOpen] = useState<'history' | 'move' | 'keys' | 'why'>()
  const pages = useIdentity(identityId, orderBy)
  const head = useApi(IdentityHead, { id: identityId }, { refetchInterval: WATCH_MS, staleTime: 0 })

  const identity = pages.data?.pages[0]?.identity
  const canCorrect = identity?.state === 'PROPOSED' || identity?.state === 'CONFIRMED' || identity?.state === 'LOCKED'
  const isChoosing = chosen.size > 0 && chosen.size <= MAX_CHOSEN && canCorrect

  const corrections = useCorrections(identity, chosen, () => setChosen(new Set()))
  const { plan, planSplit, planExclude, done, problem, stale } = corrections

  useKeys(
    {
      p: () => isChoosing && planSplit(),
      m: () => isChoosing && setOpen('move'),
      x: () => isChoosing && planExclude(),
      w: () => activeVertexId && setOpen('why'),
      h: () => setOpen('history'),
      '?': () => setOpen('keys'),
    },
    open === undefined && plan === undefined,
  )

  if (pages.isPending) return <Loading label="Opening the identity" />
  if (pages.isError && !pages.data) return <Failure error={pages.error} onRetry={() => pages.refetch()} />
  if (!identity) {
    return (
      <Empty title="There is no such identity" action={<Link href="/identities">All identities</Link>}>
        It may belong to another project.
      </Empty>
    )
  }
  if (identity.mergedInto) {
    const { id, name } = identity.mergedInto
    return (
      <Empty
        title={`This was merged into ${nameOf({ name })}`}
        action={
          <Link className="button" href={`/identities/${id}`}>
            Open {nameOf({ name })}
          </Link>
        }
      />
    )
  }
  const members = pages.data.pages.flatMap((page) => page.members?.edges ?? [])
  const current = head.data?.identity
  const isStale = current !== null && current !== undefined && current.revision > identity.revision

  return (
    <div className={styles.screen}>
      <IdentityHeader
        identity={identity}
        isBusy={corrections.isUpdating}
        onUpdate={corrections.updateIdentity}
        onHistory={() => setOpen('history')}
      />
      <div className={styles.banners}>
        {(stale || isStale) && (
          <StaleBanner
            decisions={stale ?? current?.history.edges.map(({ node }) => node) ?? []}
            onShow={corrections.reload}
          />
        )}
        {problem && (
          <Banner tone="bad" onDismiss={corrections.dropProblem}>
            {problem}
          </Banner>
        )}
        {done && (
          <Banner
            tone="good"
            action={
              <button type="button" onClick={corrections.undoDone}>
                Undo
              </button>
            }
            onDismiss={corrections.dropDone}
          >
            {done.text}
          </Banner>
        )}
      </div>
      <MergeStrip candidates={identity.mergeCandidates} onMerge={corrections.planMerge} />
      <div className={styles.tools} role="toolbar" aria-label="Chosen images">
        <p className={styles.chosen} aria-live="polite">
          {chosen.size === 0
            ? 'Choose images: click, Shift, Ctrl, or drag a box'
            : chosen.size > MAX_CHOSEN
              ? `${chosen.size} chosen: at most ${MAX_CHOSEN} in one step`
              : `${chosen.size} of ${identity.memberCount.toLocaleString()} chosen`}
        </p>
        <button type="button" disabled={!isChoosing} onClick={planSplit}>
          Split off <kbd>P</kbd>
        </button>
        <button type="button" disabled={!isChoosing} onClick={() => setOpen('move')}>
          Move <kbd>M</kbd>
        </button>
        <button type="button" className="danger" disabled={!isChoosing} onClick={planExclude}>
          Exclude <kbd>X</kbd>
        </button>
        <select aria-label="Order" value={orderBy} onChange={(event) => setOrderBy(event.target.value as MemberOrder)}>
          {ORDERS.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
        <button type="button" className="quiet" aria-label="Keys" onClick={() => setOpen('keys')}>
          ?
        </button>
      </div>
      <div className={styles.grid}>
        <VirtualGrid<Member>
          label={`Members of ${nameOf(identity)}`}
          items={members}
          keyOf={({ node }) => node.id}
          selected={chosen}
          onSelect={setChosen}
          onMove={({ vertex }) => setActiveVertexId(vertex?.id)}
          onActivate={({ vertex }) => {
            setActiveVertexId(vertex?.id)
            setOpen('why')
          }}
          hasMore={pages.hasNextPage && !pages.isFetchingNextPage}
          onEndReached={pages.fetchNextPage}
          renderTile={({ node, source, vertex }, { isSelected }) => (
            <ImageTile
              src={node.thumbnailUrl}
              name={node.externalKey}
              note={vertex?.confidence.toFixed(2)}
              badge={<span title={SOURCE_WORDS[source][1]}>{SOURCE_WORDS[source][0]}</span>}
              isSelected={isSelected}
            />
          )}
        />
      </div>
      {open === 'history' && (
        <HistoryDrawer
          history={identity.history}
          onClose={() => setOpen(undefined)}
          onUndone={() => {
            setOpen(undefined)
            corrections.reload()
          }}
        />
      )}
      {open === 'move' && (
        <MoveDrawer
          count={chosen.size}
          fromId={identityId}
          candidates={identity.mergeCandidates}
          onChoose={(target) => {
            setOpen(undefined)
            corrections.planMove(target)
          }}
          onClose={() => setOpen(undefined)}
        />
      )}
      {open === 'why' && activeVertexId && <PathDrawer vertexId={activeVertexId} onClose={() => setOpen(undefined)} />}
      {open === 'keys' && <KeyHelp keys={KEYS} onClose={() => setOpen(undefined)} />}
      {plan && (
        <PreviewDrawer
          change={plan}
          onClose={corrections.dropPlan}
          onApplied={corrections.showDone}
          onStale={corrections.showRefusal}
        />
      )}
    </div>
  )
}
