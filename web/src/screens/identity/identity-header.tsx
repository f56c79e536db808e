import { type FormEvent, useState } from 'react'
import type { ResultOf } from '../../api/typed-document.ts'
import type { IdentityPage } from '../../generated/operations.ts'
import { wholePercent } from '../../parts/percent.ts'
import styles from './identity-header.module.css'
import { nameOf, STATE_WORDS, wrongPairs } from './identity-words.ts'

type Identity = NonNullable<ResultOf<typeof IdentityPage>['identity']>

/** What the identity is called and how good it seems, and what can be done with it as a whole. */
export function IdentityHeader({
  identity,
  isBusy,
  onUpdate,
  onHistory,
}: {
  identity: Identity
  isBusy: boolean
  onUpdate(change: { name?: string; state?: 'CONFIRMED' | 'LOCKED' }): void
  onHistory(): void
}) {
  const [draft, setDraft] = useState<string>()
  const { name, state, memberCount, risk, purity } = identity
  const isOpen = state === 'PROPOSED' || state === 'CONFIRMED'

  function rename(event: FormEvent) {
    event.preventDefault()
    const next = draft?.trim()
    setDraft(undefined)
    if (next && next !== name) onUpdate({ name: next })
  }

  return (
    <header className={styles.header}>
      <div className={styles.title}>
        {draft === undefined ? (
          <h1>{nameOf(identity)}</h1>
        ) : (
          <form className="row" onSubmit={rename}>
            <input
              aria-label="Name"
              // biome-ignore lint/a11y/noAutofocus: the field appears because somebody asked for it
              autoFocus
              maxLength={200}
              value={draft}
              onChange={(event) => setDraft(event.target.value)}
              onKeyDown={(event) => event.key === 'Escape' && setDraft(undefined)}
            />
            <button type="submit">Save the name</button>
          </form>
        )}
        <p className="soft">
          {STATE_WORDS[state]} · {memberCount === 1 ? '1 image' : `${memberCount.toLocaleString()} images`} ·{' '}
          {wrongPairs(risk)} ·{' '}
          <abbr
            title={`${purity.sampleSize} pairs behind it, ${wholePercent(purity.low)} to ${wholePercent(purity.high)}`}
          >
            purity {wholePercent(purity.value)}
          </abbr>
        </p>
      </div>
      <div className="row">
        {draft === undefined && state !== 'MERGED' && state !== 'DISSOLVED' && (
          <button type="button" onClick={() => setDraft(name ?? '')}>
            {name ? 'Rename' : 'Name it'}
          </button>
        )}
        {state === 'PROPOSED' && (
          <button type="button" className="primary" disabled={isBusy} onClick={() => onUpdate({ state: 'CONFIRMED' })}>
            Confirm all {memberCount.toLocaleString()}
          </button>
        )}
        {isOpen && (
          <button
            type="button"
            disabled={isBusy}
            title="No run adds or removes anything any more"
            onClick={() => onUpdate({ state: 'LOCKED' })}
          >
            Lock
          </button>
        )}
        <button type="button" onClick={onHistory}>
          History
        </button>
      </div>
    </header>
  )
}
