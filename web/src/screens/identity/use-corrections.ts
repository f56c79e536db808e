import { useState } from 'react'
import { messageOf } from '../../api/errors.ts'
import type { ResultOf } from '../../api/typed-document.ts'
import { newKey, queryClient, refresh, useAction } from '../../api/use-api.ts'
import { type ApplyChange, Identities, IdentityHead, IdentityPage, UpdateIdentity } from '../../generated/operations.ts'
import { useProject } from '../../shell/project-context.ts'
import { ago, deedOf } from './decision-words.ts'
import { nameOf } from './identity-words.ts'
import type { Candidate } from './merge-strip.tsx'
import type { Target } from './move-drawer.tsx'
import type { PlannedChange, Refusal } from './preview-drawer.tsx'
import type { Intervening } from './stale-banner.tsx'
import { useUndo } from './use-undo.ts'

type Decision = NonNullable<ResultOf<typeof ApplyChange>['applyDecision']['decision']>

/** An identity as it was on the screen. */
interface Shown {
  readonly id: string
  readonly revision: number
}

/**
 * Every correction that can be made of one identity: planned, shown before it is made, made, and taken back.
 *
 * @param identity undefined until it is loaded; nothing is planned before
 * @param chosen the items that a split, a move or an exclusion names
 * @param onReload hears that all is asked for anew, so that nothing stays chosen
 */
export function useCorrections(identity: Shown | null | undefined, chosen: ReadonlySet<string>, onReload: () => void) {
  const { id: projectId } = useProject()
  const [plan, setPlan] = useState<PlannedChange>()
  const [stale, setStale] = useState<Intervening>()
  const [done, setDone] = useState<{ text: string; decisionId: string }>()
  const [problem, setProblem] = useState<string>()
  const update = useAction(UpdateIdentity)
  const { undo } = useUndo()
  const itemIds = [...chosen]
  const count = chosen.size === 1 ? '1 image' : `${chosen.size} images`

  async function reload() {
    setStale(undefined)
    setPlan(undefined)
    onReload()
    await queryClient.resetQueries({ queryKey: [IdentityPage.name, identity?.id] })
    await refresh(IdentityHead, Identities)
  }

  function planChange(title: string, verb: string, change: PlannedChange['decision']['change'], also?: Target | null) {
    if (!identity) return
    setDone(undefined)
    setPlan({
      title,
      verb,
      decision: { projectId, change },
      expectedRevisions: [identity, ...(also ? [also] : [])].map(({ id, revision }) => ({ identityId: id, revision })),
    })
  }

  function showRefusal(refusal: Refusal) {
    setPlan(undefined)
    if ('interveningDecisions' in refusal) setStale(refusal.interveningDecisions ?? [])
    else setProblem(refusal.message)
  }

  async function updateIdentity(change: { name?: string; state?: 'CONFIRMED' | 'LOCKED' }) {
    if (!identity) return
    setProblem(undefined)
    try {
      const { updateIdentities } = await update.mutateAsync({
        input: {
          updates: [{ identityId: identity.id, expectedRevision: identity.revision, ...change }],
          idempotencyKey: newKey(),
        },
      })
      const refusal = updateIdentities.userErrors[0] ?? updateIdentities.results[0]?.userErrors[0]
      if (refusal) showRefusal(refusal)
      else await reload()
    } catch (error) {
      setProblem(messageOf(error))
    }
  }

  return {
    plan,
    planSplit: () =>
      identity &&
      planChange(`Split off ${count}`, 'Split off', {
        split: { identityId: identity.id, itemIds, keepTogether: true },
      }),
    planExclude: () => planChange(`Exclude ${count}`, 'Exclude', { exclude: { itemIds } }),
    planMove: (target: Target | null) =>
      planChange(
        target ? `Move ${count} to ${nameOf(target)}` : `Take ${count} out`,
        target ? 'Move' : 'Take out',
        { move: { itemIds, toIdentityId: target?.id ?? null } },
        target,
      ),
    planMerge: ({ identity: other }: Candidate) =>
      identity &&
      planChange(
        `Merge with ${nameOf(other)}`,
        'Merge',
        { merge: { intoIdentityId: identity.id, fromIdentityIds: [other.id] } },
        other,
      ),
    dropPlan: () => setPlan(undefined),
    /** The plan was carried out. */
    async showDone(decision: Decision) {
      await reload()
      setDone({ text: `${deedOf(decision)}, ${ago(decision.decidedAt)}.`, decisionId: decision.id })
    },
    done,
    dropDone: () => setDone(undefined),
    async undoDone() {
      if (!done) return
      setDone(undefined)
      setProblem(await undo(done.decisionId))
      await reload()
    },
    updateIdentity,
    isUpdating: update.isPending,
    /** Decisions of somebody who was faster. */
    stale,
    showRefusal,
    problem,
    dropProblem: () => setProblem(undefined),
    reload,
  }
}
