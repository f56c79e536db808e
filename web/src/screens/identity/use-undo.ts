import { messageOf } from '../../api/errors.ts'
import { newKey, useAction } from '../../api/use-api.ts'
import { RevertChange } from '../../generated/operations.ts'
import { ago, deedOf } from './decision-words.ts'

/** Takes a decision back; `undo` resolves to why it could not be done, or to nothing where it is done. */
export function useUndo() {
  const { mutateAsync, isPending } = useAction(RevertChange)

  async function undo(decisionId: string): Promise<string | undefined> {
    try {
      const { revertDecision } = await mutateAsync({ input: { decisionId, idempotencyKey: newKey() } })
      const { decision, blockedBy, userErrors } = revertDecision
      if (decision) return undefined
      if (blockedBy.length === 0) return userErrors[0]?.message ?? 'It could not be undone.'
      const blockers = blockedBy.map((blocker) => `${deedOf(blocker)} (${ago(blocker.decidedAt)})`)
      return `Later decisions build on it. Undo these first: ${blockers.join('; ')}.`
    } catch (error) {
      return messageOf(error)
    }
  }

  return { undo, isPending }
}
