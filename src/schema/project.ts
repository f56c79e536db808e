import * as resolve from '../resolvers/project.ts'
import {
  connectionTypes,
  enumType,
  extendType,
  idArgument,
  inputArg,
  inputObjectType,
  objectType,
  pageArgs,
  payloadType,
  prismaRow,
} from './nexus.ts'

const Role = enumType({
  name: 'Role',
  description: 'Project roles, each including those before it.',
  members: [
    { name: 'VIEWER', description: 'Read only.' },
    { name: 'ANNOTATOR', description: 'May claim and answer review tasks.' },
    { name: 'REVIEWER', description: 'May adjudicate, merge, split and lock.' },
    { name: 'ENGINEER', description: 'May import, run, train, calibrate and export.' },
    { name: 'ADMIN', description: 'May manage members, keys, webhooks and settings.' },
  ],
})

const User = objectType({
  name: 'User',
  description: 'A person or a service account.',
  sourceType: prismaRow('User'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.userId })
    t.nonNull.string('displayName', { description: 'Shown name.' })
    t.nonNull.boolean('isServiceAccount', { description: 'True for service accounts.' })
  },
})

const Membership = objectType({
  name: 'Membership',
  description: "A user's role in one project.",
  sourceType: prismaRow('Membership'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.membershipId })
    t.nonNull.field('user', { type: 'User', description: 'Who.', resolve: resolve.membershipUser })
    t.nonNull.field('role', { type: 'Role', description: 'What they may do.' })
  },
})

const ApiKey = objectType({
  name: 'ApiKey',
  description: 'A hashed, scoped, expiring credential.',
  sourceType: prismaRow('ApiKey'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.apiKeyId })
    t.nonNull.string('prefix', { description: 'First eight characters, to recognise it by.' })
    t.nonNull.string('label', { description: 'Purpose given by its creator.' })
    t.nonNull.field('role', { type: 'Role', description: 'Highest role it acts with.' })
    t.field('expiresAt', { type: 'DateTime', description: 'When it stops working.' })
    t.field('lastUsedAt', { type: 'DateTime', description: 'Last successful use.' })
    t.field('revokedAt', { type: 'DateTime', description: 'When it was ended before its time.' })
  },
})

/** Other nouns extend Project with what they own of it. */
const Project = objectType({
  name: 'Project',
  description: 'A tenant-scoped workspace: items, identities, constraints, queue and models.',
  sourceType: prismaRow('Project'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.projectId })
    t.nonNull.string('name', { description: 'Name.' })
    t.nonNull.int('ledgerRevision', { description: 'Head of the decision ledger; every accepted decision adds one.' })
    t.nonNull.list.nonNull.field('memberships', {
      type: 'Membership',
      description: 'Members.',
      resolve: resolve.memberships,
    })
    t.nonNull.list.nonNull.field('apiKeys', {
      type: 'ApiKey',
      description: 'Keys of this project; ADMIN only, never the secret.',
      resolve: resolve.apiKeys,
    })
  },
})

const queries = extendType({
  type: 'Query',
  definition(t) {
    t.nonNull.field('viewer', { type: 'User', description: 'Who is asking.', resolve: resolve.viewer })
    t.nonNull.field('projects', {
      type: 'ProjectConnection',
      description: 'Projects the caller is a member of.',
      args: pageArgs(),
      resolve: resolve.projectConnection,
    })
    t.field('project', {
      type: 'Project',
      description: 'A project.',
      args: idArgument(),
      resolve: resolve.project,
    })
  },
})

const mutations = extendType({
  type: 'Mutation',
  definition(t) {
    t.nonNull.field('createProject', {
      type: 'CreateProjectPayload',
      description: 'Make a project.',
      args: inputArg('CreateProjectInput'),
      resolve: resolve.createProject,
    })
    t.nonNull.field('setMembership', {
      type: 'SetMembershipPayload',
      description: 'Give, change or (with a null role) take away a membership.',
      args: inputArg('SetMembershipInput'),
      resolve: resolve.setMembership,
    })
    t.nonNull.field('createApiKey', {
      type: 'CreateApiKeyPayload',
      description: 'Make a key; the secret is in this answer only.',
      args: inputArg('CreateApiKeyInput'),
      resolve: resolve.createApiKey,
    })
    t.nonNull.field('revokeApiKey', {
      type: 'RevokeApiKeyPayload',
      description: 'End a key at once.',
      args: inputArg('RevokeApiKeyInput'),
      resolve: resolve.revokeApiKey,
    })
  },
})

const CreateProjectInput = inputObjectType({
  name: 'CreateProjectInput',
  description: 'New project.',
  definition(t) {
    t.nonNull.string('name', { description: 'Name.' })
    t.nonNull.int('embeddingDimension', { description: 'Embedding dimension; fixed for the life of the project.' })
    t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
  },
})

const CreateProjectPayload = payloadType('CreateProjectPayload', 'Project made.', (t) => {
  t.field('project', { type: 'Project', description: 'Project.' })
})

const SetMembershipInput = inputObjectType({
  name: 'SetMembershipInput',
  description: 'Membership.',
  definition(t) {
    t.nonNull.id('projectId', { description: 'Project.' })
    t.nonNull.id('userId', { description: 'User.' })
    t.field('role', { type: 'Role', description: 'Role; null takes it away.' })
  },
})

const SetMembershipPayload = payloadType('SetMembershipPayload', 'Membership set.', (t) => {
  t.field('membership', { type: 'Membership', description: 'Membership; null when taken away.' })
})

const CreateApiKeyInput = inputObjectType({
  name: 'CreateApiKeyInput',
  description: 'New key.',
  definition(t) {
    t.nonNull.id('projectId', { description: 'Project.' })
    t.nonNull.string('label', { description: 'Purpose.' })
    t.nonNull.field('role', { type: 'Role', description: "Role it acts with; never above the caller's." })
    t.nonNull.field('expiresAt', { type: 'DateTime', description: 'End; at most a year away.' })
  },
})

const CreateApiKeyPayload = payloadType('CreateApiKeyPayload', 'Key made.', (t) => {
  t.field('apiKey', { type: 'ApiKey', description: 'Key.' })
  t.string('secret', { description: 'Secret, shown once.' })
})

const RevokeApiKeyInput = inputObjectType({
  name: 'RevokeApiKeyInput',
  description: 'End a key.',
  definition(t) {
    t.nonNull.id('apiKeyId', { description: 'Key.' })
  },
})

const RevokeApiKeyPayload = payloadType('RevokeApiKeyPayload', 'Key ended.', (t) => {
  t.field('apiKey', { type: 'ApiKey', description: 'Key.' })
})

export const projectTypes = [
  Role,
  User,
  Membership,
  ApiKey,
  Project,
  ...connectionTypes({
    node: 'Project',
    page: 'Page of projects.',
    edge: 'Project with its cursor.',
    nodeDescription: 'Project.',
  }),
  queries,
  mutations,
  CreateProjectInput,
  CreateProjectPayload,
  SetMembershipInput,
  SetMembershipPayload,
  CreateApiKeyInput,
  CreateApiKeyPayload,
  RevokeApiKeyInput,
  RevokeApiKeyPayload,
]
