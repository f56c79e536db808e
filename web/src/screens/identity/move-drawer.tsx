import { useDeferredValue, useState } from 'react'
import type { ResultOf } from '../../api/typed-document.ts'
import { useApi } from '../../api/use-api.ts'
import { Identities } from '../../generated/operations.ts'
import { Drawer } from '../../parts/drawer.tsx'
import { ImageTile } from '../../parts/image-tile.tsx'
import { Empty, Failure, Loading } from '../../parts/states.tsx'
import { useProject } from '../../shell/project-context.ts'
import { nameOf } from './identity-words.ts'
import type { Candidate } from './merge-strip.tsx'
import styles from './move-drawer.module.css'

export type Target = NonNullable<
  NonNullable<ResultOf<typeof Identities>['project']>['identities']['edges'][number]['node']
>

/** Where the chosen images go: a likely identity, one found by its name, or nowhere. */
export function MoveDrawer({
  count,
  fromId,
  candidates,
  onChoose,
  onClose,
}: {
  count: number
  fromId: string
  candidates: readonly Candidate[]
  /** `null`: into no identity. */
  onChoose(target: Target | null): void
  onClose(): void
}) {
  const { id: projectId } = useProject()
  const [text, setText] = useState('')
  const nameContains = useDeferredValue(text.trim())
  const found = useApi(
    Identities,
    { projectId, filter: { nameContains, states: ['PROPOSED', 'CONFIRMED', 'LOCKED'] }, orderBy: 'NAME_ASC' },
    { enabled: nameContains !== '' },
  )
  const targets = (
    nameContains === ''
      ? candidates.filter(({ isForbidden }) => !isForbidden).map(({ identity }) => identity)
      : (found.data?.project?.identities.edges.map(({ node }) => node) ?? [])
  ).filter(({ id }) => id !== fromId)
  return (
    <Drawer title={count === 1 ? 'Move 1 image to …' : `Move ${count} images to …`} onClose={onClose}>
      <div className="stack">
        <label className={styles.search}>
          Find an identity by its name
          <input type="search" value={text} onChange={(event) => setText(event.target.value)} />
        </label>
        {nameContains !== '' && found.isPending ? (
          <Loading label="Looking" />
        ) : found.isError ? (
          <Failure error={found.error} onRetry={() => found.refetch()} />
        ) : targets.length === 0 ? (
          <Empty title={nameContains === '' ? 'No likely identity' : `Nothing is named “${nameContains}”`}>
            Type a part of a name above, or take the images out without a new place.
          </Empty>
        ) : (
          <ul className={styles.targets}>
            {targets.map((target) => (
              <li key={target.id}>
                <button type="button" className={styles.target} onClick={() => onChoose(target)}>
                  <ImageTile
                    src={target.cover?.thumbnailUrl ?? ''}
                    name={nameOf(target)}
                    note={target.memberCount.toLocaleString()}
                  />
                </button>
              </li>
            ))}
          </ul>
        )}
        <button type="button" onClick={() => onChoose(null)}>
          Take out, into no identity
        </button>
      </div>
    </Drawer>
  )
}
