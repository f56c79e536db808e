import { Banner } from '../../parts/banner.tsx'
import { ago, deedOf } from './decision-words.ts'
import type { Refusal } from './preview-drawer.tsx'

export type Intervening = NonNullable<Extract<Refusal, { interveningDecisions: unknown }>['interveningDecisions']>

/** Somebody else changed what is on the screen: who, what, when. */
export function StaleBanner({ decisions, onShow }: { decisions: Intervening; onShow(): void }) {
  return (
    <Banner
      tone="warn"
      action={
        <button type="button" onClick={onShow}>
          Show the new state
        </button>
      }
    >
      <strong>This identity has changed since you opened it.</strong>{' '}
      {decisions.length === 0
        ? 'Nothing of yours was applied.'
        : decisions
            .slice(0, 3)
            .map((decision) => `${deedOf(decision)}, ${ago(decision.decidedAt)}`)
            .join('; ')}
    </Banner>
  )
}
