import type { Constraint, ConstraintKind, Decision, Identity, Item, Project } from '../generated/prisma/client.ts'
import type { DecisionChange } from '../services/decision-change.ts'
import * as decisions from '../services/decisions.ts'
import { DomainError } from '../services/errors.ts'
import { revertDecision as revert } from '../services/revert-decision.ts'
import { watchDecisions } from '../services/watch-decisions.ts'
import { type PageArgs, pageOf, toConnection } from './connection.ts'
import { type Context, startEvent } from './context.ts'
import { decodeId, decodeIds, decodeRoot, encodeId } from './global-id.ts'
import { payload } from './payload.ts'

export const id = (decision: Decision) => encodeId('Decision', decision)
export const constraintId = (constraint: Constraint) => encodeId('Constraint', constraint)

export const actor = ({ actorId }: Decision, _args: unknown, { load }: Context) => load.user.load(actorId)

export const constraintsAdded = ({ projectId, id }: Decision, _args: unknown, { load }: Context) =>
  load.constraintsOfDecision.load({ projectId, id })

export const identities = async ({ projectId, id }: Decision, _args: unknown, { load }: Context) =>
  load.identitiesOfDecision.load({ projectId, id }) as Promise<Identity[]>

export const revertedBy = ({ projectId, revertedById }: Decision, _args: unknown, { load }: Context) =>
  revertedById ? load.decision.load({ projectId, id: revertedById }) : null

export const left = ({ projectId, leftItemId }: Constraint, _args: unknown, { load }: Context) =>
  load.item.load({ projectId, id: leftItemId }) as Promise<Item>

export const right = ({ projectId, rightItemId }: Constraint, _args: unknown, { load }: Context) =>
  rightItemId ? load.item.load({ projectId, id: rightItemId }) : null

export const isActive = ({ revokedById }: Constraint) => revokedById === null

export const constraintDecision = ({ projectId, decisionId }: Constraint, _args: unknown, { load }: Context) =>
  load.decision.load({ projectId, id: decisionId }) as Promise<Decision>

export async function projectDecisions(
  { id }: Project,
  args: PageArgs & { sinceRevision?: number | null },
  { app, viewer }: Context,
) {
  const page = pageOf(args)
  const found = await decisions.listDecisions(app, viewer, id, page, { sinceRevision: args.sinceRevision })
  return toConnection(
    page,
    found,
    ({ ledgerRevision }) => [ledgerRevision],
    (node) => ({ node }),
  )
}

export async function projectConstraints(
  { id }: Project,
  args: PageArgs & { kind?: ConstraintKind | null },
  { app, viewer }: Context,
) {
  const page = pageOf(args)
  const found = await decisions.listConstraints(app, viewer, id, page, args.kind)
  return toConnection(
    page,
    found,
    (constraint) => [constraint.id],
    (node) => ({ node }),
  )
}

/** The API's change, with global ids. Exactly one part is given. */
interface ChangeInput {
  merge?: { intoIdentityId: string; fromIdentityIds: string[] } | null
  split?: { identityId: string; itemIds: string[]; keepTogether: boolean } | null
  move?: { itemIds: string[]; toIdentityId?: string | null } | null
  exclude?: { itemIds: string[] } | null
}

interface DecisionInput {
  projectId: string
  change: ChangeInput
}

function decodeChange(projectId: string, { merge, split, move, exclude }: ChangeInput, path: string[]): DecisionChange {
  const at = (...rest: string[]) => [...path, 'change', ...rest]
  const identity = (globalId: string, ...rest: string[]) =>
    decodeIds('Identity', projectId, [globalId], ...at(...rest))[0] as string
  const items = (globalIds: string[], ...rest: string[]) => decodeIds('Item', projectId, globalIds, ...at(...rest))
  if (merge) {
    return {
      merge: {
        intoIdentityId: identity(merge.intoIdentityId, 'merge', 'intoIdentityId'),
        fromIdentityIds: decodeIds('Identity', projectId, merge.fromIdentityIds, ...at('merge', 'fromIdentityIds')),
      },
    }
  }
  if (split) {
    return {
      split: {
        identityId: identity(split.identityId, 'split', 'identityId'),
        itemIds: items(split.itemIds, 'split', 'itemIds'),
        keepTogether: split.keepTogether,
      },
    }
  }
  if (move) {
    return {
      move: {
        itemIds: items(move.itemIds, 'move', 'itemIds'),
        toIdentityId: move.toIdentityId ? identity(move.toIdentityId, 'move', 'toIdentityId') : null,
      },
    }
  }
  if (exclude) return { exclude: { itemIds: items(exclude.itemIds, 'exclude', 'itemIds') } }
  throw new DomainError('INVALID', 'change must have exactly one of merge, split, move and exclude', { path: at() })
}

function decodeDecision({ projectId: globalId, change }: DecisionInput, ...path: string[]) {
  const projectId = decodeRoot('Project', globalId, ...path, 'projectId')
  return { projectId, change: decodeChange(projectId, change, path) }
}

interface ApplyInput {
  decision: DecisionInput
  expectedRevisions: { identityId: string; revision: number }[]
  previewToken?: string | null
  comment?: string | null
  idempotencyKey: string
}

export const previewDecision = (_root: unknown, { input }: { input: DecisionInput }, { app, viewer }: Context) =>
  decisions.previewDecision(app, viewer, decodeDecision(input, 'input'))

export const applyDecision = payload(async ({ input }: { input: ApplyInput }, { app, viewer }) => {
  const { projectId, change } = decodeDecision(input.decision, 'input', 'decision')
  const decision = await decisions.applyDecision(app, viewer, {
    projectId,
    change,
    expectedRevisions: input.expectedRevisions.map(({ identityId, revision }, i) => ({
      identityId: decodeIds('Identity', projectId, [identityId], 'input', 'expectedRevisions', String(i))[0] as string,
      revision,
    })),
    previewToken: input.previewToken,
    comment: input.comment,
    idempotencyKey: input.idempotencyKey,
  })
  return { decision }
})

export const revertDecision = payload(
  async ({ input }: { input: { decisionId: string; idempotencyKey: string } }, { app, viewer }) => {
    const { projectId, id: decisionId } = decodeId('Decision', input.decisionId, 'input', 'decisionId')
    return revert(app, viewer, { projectId, decisionId, idempotencyKey: input.idempotencyKey })
  },
  { blockedBy: [] },
)

const SAMPLE = 6

export type Group = decisions.PreviewGroup & { projectId: string }

export const resultingGroups = ({ projectId, groups }: decisions.DecisionPreview): Group[] =>
  groups.map((group) => ({ projectId, ...group }))

export const conflicts = async (
  { projectId, conflictIds }: decisions.DecisionPreview,
  _args: unknown,
  { load }: Context,
) => (await load.constraint.loadMany(conflictIds.map((id) => ({ projectId, id })))) as Constraint[]

export const groupIdentity = ({ projectId, identityId }: Group, _args: unknown, { load }: Context) =>
  identityId ? load.identity.load({ projectId, id: identityId }) : null

export const groupSize = ({ itemIds }: Group) => itemIds.length

export const groupSample = async ({ projectId, itemIds }: Group, _args: unknown, { load }: Context) =>
  (await load.item.loadMany(itemIds.slice(0, SAMPLE).map((id) => ({ projectId, id })))) as Item[]

export const decisionsAppended = (
  _root: unknown,
  { projectId, afterRevision }: { projectId: string; afterRevision: number },
  { app, viewer }: Context,
) => watchDecisions(app, viewer, decodeRoot('Project', projectId, 'projectId'), afterRevision)

/** Each event is the row itself; identities and undos are shown as they are by then. */
export const appended = (decision: Decision, _args: unknown, context: Context) => {
  startEvent(context)
  return decision
}
