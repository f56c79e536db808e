import * as resolve from '../resolvers/identity.ts'
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

const IdentityState = enumType({
  name: 'IdentityState',
  description: 'Life of an identity.',
  members: [
    { name: 'PROPOSED', description: 'Proposed by a run, untouched by people.' },
    { name: 'CONFIRMED', description: 'A person looked at it and accepted it.' },
    { name: 'LOCKED', description: 'No automatic addition or removal any more.' },
    { name: 'MERGED', description: 'Redirects to another identity.' },
    { name: 'DISSOLVED', description: 'Dissolved; its members are free.' },
  ],
})

const IdentityOrder = enumType({
  name: 'IdentityOrder',
  description: 'Order of identities.',
  members: [
    { name: 'RISK_DESC', description: 'Most expected wrong pairs first.' },
    { name: 'SIZE_DESC', description: 'Largest first.' },
    { name: 'UPDATED_DESC', description: 'Last changed first.' },
    { name: 'NAME_ASC', description: 'By name.' },
  ],
})

const MemberOrder = enumType({
  name: 'MemberOrder',
  description: 'Order of members.',
  members: [
    { name: 'RISK_DESC', description: 'Most likely wrong first.' },
    { name: 'CONFIDENCE_DESC', description: 'Most typical first.' },
    { name: 'ADDED_DESC', description: 'Newest first.' },
  ],
})

const MembershipSource = enumType({
  name: 'MembershipSource',
  description: 'Where a membership came from.',
  members: [
    { name: 'HUMAN', description: 'A person put it there: never changed by a run.' },
    { name: 'IMPLIED', description: 'Follows from human constraints by closure.' },
    { name: 'MODEL', description: 'A run proposed it above the calibrated threshold.' },
  ],
})

const BulkErrorPolicy = enumType({
  name: 'BulkErrorPolicy',
  description: 'What to do when some rows fail.',
  members: [
    { name: 'REJECT_EVERYTHING', description: 'Nothing is saved if any row fails.' },
    { name: 'REJECT_FAILED_ROWS', description: 'Good rows are saved.' },
  ],
})

const Identity = objectType({
  name: 'Identity',
  description: 'A durable, human-owned grouping. Runs propose; identities persist.',
  sourceType: prismaRow('Identity'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id; survives re-clustering.', resolve: resolve.id })
    t.string('name', { description: 'Name, if somebody gave one.' })
    t.nonNull.field('state', { type: 'IdentityState', description: 'State.' })
    t.field('mergedInto', { type: 'Identity', description: 'Where it went, when merged.', resolve: resolve.mergedInto })
    t.nonNull.int('revision', { description: 'Grows by one with each change.' })
    t.field('cover', { type: 'Item', description: 'Cover.', resolve: resolve.cover })
    t.nonNull.int('memberCount', { description: 'Member count.' })
    t.nonNull.field('purity', {
      type: 'Estimate',
      description: "Estimated purity from the run's edge probabilities and human answers.",
      resolve: resolve.purity,
    })
    t.nonNull.float('risk', { description: 'Expected wrong pairs left in it: the review priority.' })
    t.nonNull.field('members', {
      type: 'IdentityMemberConnection',
      description: 'Members, riskiest first by default.',
      args: { ...pageArgs(60), orderBy: nonNull(arg({ type: 'MemberOrder', default: 'RISK_DESC' })) },
      resolve: resolve.identityMembers as never,
    })
    t.nonNull.list.nonNull.field('mergeCandidates', {
      type: 'MergeCandidate',
      description: 'Other identities or clusters that may be the same, best first.',
      args: { first: nonNull(intArg({ default: 12 })) },
      resolve: resolve.mergeCandidates,
    })
    t.nonNull.field('history', {
      type: 'DecisionConnection',
      description: 'Past changes, newest first.',
      args: pageArgs(20),
      resolve: resolve.history,
    })
    t.nonNull.field('membersAt', {
      type: 'IdentityMemberConnection',
      description: 'Members as they were at a ledger revision.',
      args: {
        ledgerRevision: nonNull(intArg({ description: 'After this decision.' })),
        ...pageArgs(60),
      },
      resolve: resolve.membersAt as never,
    })
  },
})

const MergeCandidate = objectType({
  name: 'MergeCandidate',
  description: 'A possible merge and why.',
  sourceType: sourceIn('services/identity-members.ts', 'MergeCandidate'),
  definition(t) {
    t.nonNull.field('identity', {
      type: 'Identity',
      description: 'The other identity.',
      resolve: resolve.candidateIdentity,
    })
    t.nonNull.float('probability', { description: 'Calibrated probability that they are the same.' })
    t.nonNull.field('bestEdge', {
      type: 'GraphEdge',
      description: 'Strongest supporting edge.',
      resolve: resolve.candidateEdge,
    })
    t.nonNull.boolean('isForbidden', { description: 'True when a cannot-link already forbids it.' })
  },
})

const IdentityUpdateResult = objectType({
  name: 'IdentityUpdateResult',
  description: 'Row outcome.',
  definition(t) {
    t.field('identity', { type: 'Identity', description: 'Identity.' })
    t.nonNull.list.nonNull.field('userErrors', { type: 'UserError', description: 'Refusals of this row.' })
  },
})

export const identityTypes = [
  IdentityState,
  IdentityOrder,
  MemberOrder,
  MembershipSource,
  BulkErrorPolicy,
  Identity,
  MergeCandidate,
  inputObjectType({
    name: 'IdentityFilter',
    description: 'Filter of identities.',
    definition(t) {
      t.list.nonNull.field('states', { type: 'IdentityState', description: 'Any of these states.' })
      t.string('nameContains', { description: 'Name contains.' })
      t.int('minSize', { description: 'At least this many members.' })
    },
  }),
  ...connectionTypes({
    node: 'Item',
    name: 'IdentityMember',
    page: 'Page of members.',
    edge: 'A member, with what is known of its membership (relationship data lives on the edge).',
    nodeDescription: 'Item.',
    edgeFields(t) {
      t.nonNull.field('source', { type: 'MembershipSource', description: 'Where the membership came from.' })
      t.field('vertex', { type: 'Vertex', description: "The item's vertex in the published run, if it took part." })
    },
  }),
  ...connectionTypes({
    node: 'Identity',
    page: 'Page of identities.',
    edge: 'Identity with its cursor.',
    nodeDescription: 'Identity.',
    totalCount: 'Count, capped.',
  }),
  inputObjectType({
    name: 'IdentityUpdateInput',
    description: 'Rename, confirm, lock.',
    definition(t) {
      t.nonNull.id('identityId', { description: 'Identity.' })
      t.nonNull.int('expectedRevision', { description: 'Revision seen.' })
      t.string('name', { description: 'New name.' })
      t.field('state', { type: 'IdentityState', description: 'New state: CONFIRMED, LOCKED or DISSOLVED.' })
    },
  }),
  inputObjectType({
    name: 'UpdateIdentitiesInput',
    description: 'Updates.',
    definition(t) {
      t.nonNull.list.nonNull.field('updates', { type: 'IdentityUpdateInput', description: 'Rows, at most 250.' })
      t.nonNull.field('errorPolicy', { type: 'BulkErrorPolicy', default: 'REJECT_EVERYTHING', description: 'Policy.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  IdentityUpdateResult,
  payloadType(
    'UpdateIdentitiesPayload',
    'Updated.',
    (t) => {
      t.nonNull.list.nonNull.field('results', { type: 'IdentityUpdateResult', description: 'One a row, in order.' })
    },
    'Refusals of the whole call.',
  ),
  extendType({
    type: 'Project',
    definition(t) {
      t.nonNull.field('identities', {
        type: 'IdentityConnection',
        description: 'Identities, by filter.',
        args: {
          ...pageArgs(),
          filter: arg({ type: 'IdentityFilter' }),
          orderBy: nonNull(arg({ type: 'IdentityOrder', default: 'RISK_DESC' })),
        },
        resolve: resolve.projectIdentities as never,
      })
    },
  }),
  extendType({
    type: 'Query',
    definition(t) {
      t.field('identity', {
        type: 'Identity',
        description: 'An identity; follows a merge to the survivor.',
        args: { id: nonNull(idArg()) },
        resolve: resolve.identity,
      })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('updateIdentities', {
        type: 'UpdateIdentitiesPayload',
        description: 'Name, confirm or lock identities.',
        args: inputArg('UpdateIdentitiesInput'),
        resolve: resolve.updateIdentities,
      })
    },
  }),
]
