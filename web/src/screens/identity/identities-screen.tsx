import { useInfiniteQuery } from '@tanstack/react-query'
import { useDeferredValue, useState } from 'react'
import { useLocation } from 'wouter'
import { send } from '../../api/client.ts'
import { Identities, type IdentityOrder, type IdentityState } from '../../generated/operations.ts'
import { ImageTile } from '../../parts/image-tile.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { VirtualGrid } from '../../parts/virtual-grid.tsx'
import { useProject } from '../../shell/project-context.ts'
import styles from './identities-screen.module.css'
import { nameOf, STATE_WORDS } from './identity-words.ts'

const ORDERS: [IdentityOrder, string][] = [
  ['RISK_DESC', 'Riskiest first'],
  ['SIZE_DESC', 'Largest first'],
  ['UPDATED_DESC', 'Last changed first'],
  ['NAME_ASC', 'By name'],
]
const LIVING: IdentityState[] = ['PROPOSED', 'CONFIRMED', 'LOCKED']

/** Every identity of the project, riskiest first, to be found by name and state. */
export default function IdentitiesScreen() {
  const { id: projectId } = useProject()
  const [, navigate] = useLocation()
  const [orderBy, setOrderBy] = useState<IdentityOrder>('RISK_DESC')
  const [state, setState] = useState<IdentityState | ''>('')
  const [text, setText] = useState('')
  const nameContains = useDeferredValue(text.trim())
  const filter = { states: state === '' ? LIVING : [state], ...(nameContains && { nameContains }) }
  const pages = useInfiniteQuery({
    queryKey: [Identities.name, projectId, filter, orderBy],
    queryFn: ({ pageParam, signal }) => send(Identities, { projectId, after: pageParam, filter, orderBy }, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ project }) =>
      project?.identities.pageInfo.hasNextPage ? project.identities.pageInfo.endCursor : undefined,
  })
  const identities = pages.data?.pages.flatMap(({ project }) => project?.identities.edges.map(({ node }) => node) ?? [])
  const total = pages.data?.pages[0]?.project?.identities.totalCount
  const isFiltered = nameContains !== '' || state !== ''
  return (
    <div className={styles.screen}>
      <header className={styles.header}>
        <h1>Identities</h1>
        <p className="soft" aria-live="polite">
          {total && `${total.value.toLocaleString()}${total.isExact ? '' : ' or more'}`}
        </p>
        <input
          type="search"
          aria-label="Name contains"
          placeholder="Name contains …"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <select
          aria-label="State"
          value={state}
          onChange={(event) => setState(event.target.value as IdentityState | '')}
        >
          <option value="">Any state</option>
          {LIVING.map((value) => (
            <option key={value} value={value}>
              {STATE_WORDS[value]}
            </option>
          ))}
        </select>
        <select
          aria-label="Order"
          value={orderBy}
          onChange={(event) => setOrderBy(event.target.value as IdentityOrder)}
        >
          {ORDERS.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </header>
      <div className={styles.grid}>
        {pages.isPending ? (
          <Loading label="Looking for identities" />
        ) : !identities ? (
          <Failure error={pages.error} onRetry={() => pages.refetch()} />
        ) : identities.length === 0 ? (
          isFiltered ? (
            <Empty title="Nothing fits">Try a shorter name, or any state.</Empty>
          ) : (
            <Empty title="No identities yet">
              They come with labels of an import, or when a run is published under “Runs &amp; quality”.
            </Empty>
          )
        ) : (
          <VirtualGrid
            label="Identities"
            items={identities}
            keyOf={({ id }) => id}
            minTile={148}
            captionHeight={40}
            onActivate={({ id }) => navigate(`/identities/${id}`)}
            hasMore={pages.hasNextPage && !pages.isFetchingNextPage}
            onEndReached={pages.fetchNextPage}
            renderTile={(identity) => (
              <>
                <ImageTile
                  src={identity.cover?.thumbnailUrl ?? ''}
                  name={nameOf(identity)}
                  note={identity.memberCount.toLocaleString()}
                  badge={identity.state === 'PROPOSED' ? undefined : STATE_WORDS[identity.state]}
                />
                {identity.risk >= 0.05 && (
                  <span className={styles.risk}>{identity.risk.toFixed(1)} expected errors</span>
                )}
              </>
            )}
          />
        )}
      </div>
    </div>
  )
}
