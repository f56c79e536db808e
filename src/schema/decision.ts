import * as resolve from '../resolvers/decision.ts'
import {
  arg,
  connectionTypes,
  enumType,
  extendType,
  idArg,
  inputArg,
  inputObjectType,
  intArg,
  nonNull,
  objectType,
  pageArgs,
  payloadType,
  prismaRow,
  sourceIn,
} from './nexus.ts'

const DecisionKind = enumType({
  name: 'DecisionKind',
  description: 'Kinds of decision.',
  members: [
    { name: 'MERGE', description: 'Merge identities.' },
    { name: 'SPLIT', description: 'Split members out.' },
    { name: 'MOVE', description: 'Move members.' },
    { name: 'CONFIRM', description: 'Accept an identity as it is.' },
    { name: 'EXCLUDE', description: 'Exclude items.' },
    { name: 'RENAME', description: 'Rename.' },
    { name: 'LOCK', description: 'Lock.' },
    { name: 'REVERT', description: 'Undo an earlier decision.' },
  ],
})

const ConstraintKind = enumType({
  name: 'ConstraintKind',
  description: 'Kinds of constraint.',
  members: [
    { name: 'MUST_LINK', description: 'Same identity.' },
    { name: 'CANNOT_LINK', description: 'Different identities.' },
    { name: 'EXCLUDED', description: 'Not a subject.' },
  ],
})

const Decision = objectType({
  name: 'Decision',
  description: 'An entry of the append-only ledger.',
  sourceType: prismaRow('Decision'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.id })
    t.nonNull.int('ledgerRevision', { description: 'Position in the ledger.' })
    t.nonNull.field('kind', { type: 'DecisionKind', description: 'Kind.' })
    t.field('actor', { type: 'User', description: 'Who.', resolve: resolve.actor })
    t.nonNull.field('decidedAt', { type: 'DateTime', description: 'When.' })
    t.string('comment', { description: 'Why, as it was given.' })
    t.nonNull.list.nonNull.field('constraintsAdded', {
      type: 'Constraint',
      description: 'Constraints it added.',
      resolve: resolve.constraintsAdded,
    })
    t.nonNull.list.nonNull.field('identities', {
      type: 'Identity',
      description: 'Identities it touched, as they are now.',
      resolve: resolve.identities,
    })
    t.nonNull.int('itemCount', { description: 'Items whose identity changed.' })
    t.field('revertedBy', { type: 'Decision', description: 'The decision that undid it.', resolve: resolve.revertedBy })
  },
})

const Constraint = objectType({
  name: 'Constraint',
  description: 'A human statement about items that every later run keeps.',
  sourceType: prismaRow('Constraint'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.constraintId })
    t.nonNull.field('kind', { type: 'ConstraintKind', description: 'Kind.' })
    t.nonNull.field('left', { type: 'Item', description: 'One end.', resolve: resolve.left })
    t.field('right', { type: 'Item', description: 'Other end; null for EXCLUDED.', resolve: resolve.right })
    t.nonNull.boolean('isActive', { description: 'False when revoked by an undo.', resolve: resolve.isActive })
    t.nonNull.field('decision', {
      type: 'Decision',
      description: 'Decision that made it.',
      resolve: resolve.constraintDecision,
    })
  },
})

const DecisionPreview = objectType({
  name: 'DecisionPreview',
  description: 'What a decision would do, computed and not stored.',
  sourceType: sourceIn('services/decisions.ts', 'DecisionPreview'),
  definition(t) {
    t.nonNull.string('previewToken', { description: 'Pass to applyDecision to apply exactly this.' })
    t.nonNull.int('ledgerRevision', { description: 'Ledger revision it was computed on.' })
    t.nonNull.list.nonNull.field('resultingGroups', {
      type: 'PreviewGroup',
      description: 'Groups that would exist afterwards, largest first.',
      resolve: resolve.resultingGroups,
    })
    t.nonNull.int('itemCount', { description: 'Items whose identity would change.' })
    t.nonNull.int('tasksResolved', { description: 'Queue tasks that would become needless.' })
    t.nonNull.float('riskDelta', { description: 'Change in expected wrong pairs; negative is better.' })
    t.nonNull.list.nonNull.field('conflicts', {
      type: 'Constraint',
      description: 'Constraints that stand against it.',
      resolve: resolve.conflicts,
    })
  },
})

const PreviewGroup = objectType({
  name: 'PreviewGroup',
  description: 'A group in a preview.',
  sourceType: sourceIn('resolvers/decision.ts', 'Group'),
  definition(t) {
    t.field('identity', {
      type: 'Identity',
      description: 'Existing identity it keeps, if any.',
      resolve: resolve.groupIdentity,
    })
    t.nonNull.int('memberCount', { description: 'Members.', resolve: resolve.groupSize })
    t.nonNull.list.nonNull.field('sampleItems', {
      type: 'Item',
      description: 'A few to show.',
      resolve: resolve.groupSample,
    })
  },
})

export const decisionTypes = [
  DecisionKind,
  ConstraintKind,
  Decision,
  Constraint,
  DecisionPreview,
  PreviewGroup,
  ...connectionTypes({
    node: 'Decision',
    page: 'Page of decisions.',
    edge: 'Decision with its cursor.',
    nodeDescription: 'Decision.',
  }),
  ...connectionTypes({
    node: 'Constraint',
    page: 'Page of constraints.',
    edge: 'Constraint with its cursor.',
    nodeDescription: 'Constraint.',
  }),
  inputObjectType({
    name: 'DecisionChange',
    description: 'Exactly one kind of decision.',
    definition(t) {
      t.field('merge', { type: 'MergeChange', description: 'Merge into the first.' })
      t.field('split', { type: 'SplitChange', description: 'Split items out.' })
      t.field('move', { type: 'MoveChange', description: 'Move items.' })
      t.field('exclude', { type: 'ExcludeChange', description: 'Exclude items.' })
    },
  }),
  inputObjectType({
    name: 'MergeChange',
    description: 'Merge.',
    definition(t) {
      t.nonNull.id('intoIdentityId', { description: 'Survivor.' })
      t.nonNull.list.nonNull.id('fromIdentityIds', { description: 'Others, at most 50.' })
    },
  }),
  inputObjectType({
    name: 'SplitChange',
    description: 'Split.',
    definition(t) {
      t.nonNull.id('identityId', { description: 'Identity.' })
      t.nonNull.list.nonNull.id('itemIds', { description: 'Items that leave, at most 250.' })
      t.nonNull.boolean('keepTogether', {
        default: true,
        description: 'Leave together as one new identity (true) or each on its own (false).',
      })
    },
  }),
  inputObjectType({
    name: 'MoveChange',
    description: 'Move.',
    definition(t) {
      t.nonNull.list.nonNull.id('itemIds', { description: 'Items, at most 250.' })
      t.id('toIdentityId', { description: 'Where to; null makes a new identity.' })
    },
  }),
  inputObjectType({
    name: 'ExcludeChange',
    description: 'Exclude.',
    definition(t) {
      t.nonNull.list.nonNull.id('itemIds', { description: 'Items, at most 250.' })
    },
  }),
  inputObjectType({
    name: 'DecisionInput',
    description: 'A decision on a project.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.nonNull.field('change', { type: 'DecisionChange', description: 'Change.' })
    },
  }),
  inputObjectType({
    name: 'IdentityRevisionInput',
    description: 'Identity and the revision seen.',
    definition(t) {
      t.nonNull.id('identityId', { description: 'Identity.' })
      t.nonNull.int('revision', { description: 'Revision.' })
    },
  }),
  inputObjectType({
    name: 'ApplyDecisionInput',
    description: 'Apply.',
    definition(t) {
      t.nonNull.field('decision', { type: 'DecisionInput', description: 'What.' })
      t.nonNull.list.nonNull.field('expectedRevisions', {
        type: 'IdentityRevisionInput',
        description: 'Revision of each identity that the caller saw; a stale one refuses the whole decision.',
      })
      t.string('previewToken', { description: 'When given, the outcome must equal the preview.' })
      t.string('comment', { description: 'Why, for the history.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('ApplyDecisionPayload', 'Applied.', (t) => {
    t.field('decision', { type: 'Decision', description: 'Ledger entry; null when refused.' })
  }),
  inputObjectType({
    name: 'RevertDecisionInput',
    description: 'Undo.',
    definition(t) {
      t.nonNull.id('decisionId', { description: 'Decision.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('RevertDecisionPayload', 'Undone.', (t) => {
    t.field('decision', { type: 'Decision', description: 'The inverse entry; null when later decisions depend on it.' })
    t.nonNull.list.nonNull.field('blockedBy', {
      type: 'Decision',
      description: 'Later decisions that must be undone first.',
    })
  }),
  extendType({
    type: 'Project',
    definition(t) {
      t.nonNull.field('decisions', {
        type: 'DecisionConnection',
        description: 'Decision ledger, newest first.',
        args: { ...pageArgs(), sinceRevision: intArg({ description: 'Only decisions after this revision.' }) },
        resolve: resolve.projectDecisions,
      })
      t.nonNull.field('constraints', {
        type: 'ConstraintConnection',
        description: 'Active human constraints, newest first.',
        args: { ...pageArgs(), kind: arg({ type: 'ConstraintKind', description: 'Only of this kind.' }) },
        resolve: resolve.projectConstraints,
      })
    },
  }),
  extendType({
    type: 'Query',
    definition(t) {
      t.nonNull.field('previewDecision', {
        type: 'DecisionPreview',
        description: 'What a decision would do, without doing it.',
        args: inputArg('DecisionInput'),
        resolve: resolve.previewDecision,
      })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('applyDecision', {
        type: 'ApplyDecisionPayload',
        description: 'Apply a decision, whole or not at all.',
        args: inputArg('ApplyDecisionInput'),
        resolve: resolve.applyDecision,
      })
      t.nonNull.field('revertDecision', {
        type: 'RevertDecisionPayload',
        description: 'Undo a decision by adding its inverse.',
        args: inputArg('RevertDecisionInput'),
        resolve: resolve.revertDecision,
      })
    },
  }),
  extendType({
    type: 'Subscription',
    definition(t) {
      t.nonNull.field('decisionsAppended', {
        type: 'Decision',
        description: 'New ledger entries after a revision: lossless resume.',
        args: {
          projectId: nonNull(idArg({ description: 'Project.' })),
          afterRevision: nonNull(intArg({ description: 'Last revision seen; 0 for all of the ledger.' })),
        },
        subscribe: resolve.decisionsAppended,
        resolve: resolve.appended as never,
      })
    },
  }),
]
