import * as resolve from '../resolvers/embedding-space.ts'
import { enumType, extendType, inputArg, inputObjectType, objectType, payloadType, prismaRow } from './nexus.ts'

export const embeddingSpaceTypes = [
  objectType({
    name: 'EmbeddingSpace',
    description: 'One way of embedding every item; never rewritten: a new embedder makes a new space.',
    sourceType: prismaRow('EmbeddingSpace'),
    definition(t) {
      t.implements('Node')
      t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.id })
      t.nonNull.int('number', { description: 'Counting up within the project.' })
      t.nonNull.int('dimension', { description: 'Values of each vector.' })
      t.nonNull.string('embedder', {
        description: 'What made the vectors, for example import; clustering models are pinned to it.',
        resolve: resolve.embedder,
      })
      t.field('model', {
        type: 'ModelVersion',
        description: 'Model trained here that made it; null for vectors that came with the items.',
        resolve: resolve.model,
      })
      t.field('source', {
        type: 'EmbeddingSpace',
        description:
          'Space that imports write to, from which new items are embedded into this one; null for such a space itself.',
        resolve: resolve.source,
      })
      t.field('job', {
        type: 'Job',
        description: 'Job that last embedded items into it; null where imports do.',
        resolve: resolve.job,
      })
      t.nonNull.int('embeddedCount', { description: 'Items with a vector in it.', resolve: resolve.embeddedCount })
      t.float('searchRecall', {
        description:
          'Share of the ten nearest items that similarity searches find, measured on a sample of items when the index was built; null while searches compare with every item.',
      })
      t.nonNull.boolean('isActive', {
        description: 'Whether searches, new runs and new snapshots use it.',
        resolve: resolve.isActive,
      })
      t.nonNull.field('createdAt', { type: 'DateTime', description: 'When it was made.' })
    },
  }),
  enumType({
    name: 'EmbeddingSource',
    description: 'What an embedding model is trained on.',
    members: [
      { name: 'EMBEDDINGS', description: 'A head on the vectors that came with the items.' },
      { name: 'PICTURES', description: 'A small convolutional network on pictures of 32 by 32 pixels.' },
    ],
  }),
  inputObjectType({
    name: 'EmbeddingTrainingInput',
    description: 'How to train an embedding model.',
    definition(t) {
      t.field('source', {
        type: 'EmbeddingSource',
        description:
          'What it looks at; when absent, given vectors where most members of the snapshot have one, else pictures.',
      })
      t.int('steps', {
        description: 'Optimiser steps of each of its two trainings; by the number of items when absent.',
      })
    },
  }),
  inputObjectType({
    name: 'ActivateEmbeddingSpaceInput',
    description: 'Switch spaces.',
    definition(t) {
      t.nonNull.id('embeddingSpaceId', { description: 'Space; the former one can be activated again at any time.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('ActivateEmbeddingSpacePayload', 'Switched.', (t) => {
    t.field('embeddingSpace', { type: 'EmbeddingSpace', description: 'Space now in use.' })
  }),
  objectType({
    name: 'IdentificationScores',
    description: 'How well embeddings tell identities apart that no training has seen, as fractions.',
    definition(t) {
      t.nonNull.float('nearest', { description: 'Items whose nearest other one is of their identity.' })
      t.nonNull.float('tarAtFar1e2', {
        description: 'Pairs of one identity accepted where one in a hundred of two identities is.',
      })
      t.nonNull.float('tarAtFar1e3', {
        description: 'Pairs of one identity accepted where one in a thousand of two identities is.',
      })
      t.nonNull.int('itemCount', { description: 'Items of the frozen holdout that were compared.' })
    },
  }),
  extendType({
    type: 'Project',
    definition(t) {
      t.nonNull.list.nonNull.field('embeddingSpaces', {
        type: 'EmbeddingSpace',
        description: 'Every space, oldest first; none is ever lost.',
        resolve: resolve.projectSpaces,
      })
      t.nonNull.field('activeSpace', {
        type: 'EmbeddingSpace',
        description: 'The space that searches, new runs and new snapshots use.',
        resolve: resolve.activeSpace,
      })
    },
  }),
  extendType({
    type: 'ClusterRun',
    definition(t) {
      t.nonNull.field('embeddingSpace', {
        type: 'EmbeddingSpace',
        description: 'Space whose vectors it clustered.',
        resolve: resolve.usedSpace,
      })
    },
  }),
  extendType({
    type: 'DatasetVersion',
    definition(t) {
      t.nonNull.field('embeddingSpace', {
        type: 'EmbeddingSpace',
        description: 'Space that was active when it was frozen.',
        resolve: resolve.usedSpace,
      })
    },
  }),
  extendType({
    type: 'ModelVersion',
    definition(t) {
      t.nonNull.field('target', { type: 'TrainingTarget', description: 'What it is for.' })
      t.field('identification', {
        type: 'IdentificationScores',
        description: 'Of an embedding model, on the frozen holdout; null when it could not be measured.',
        resolve: resolve.identification,
      })
      t.field('activeIdentification', {
        type: 'IdentificationScores',
        description: 'Of the space that was active when it was measured, on the same items: the gate.',
        resolve: resolve.activeIdentification,
      })
      t.string('explanation', {
        description: 'What it has learnt from, and what that gave, in sentences.',
        resolve: resolve.explanation,
      })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('activateEmbeddingSpace', {
        type: 'ActivateEmbeddingSpacePayload',
        description: 'Make a complete space the active one, or take that back by activating the former one.',
        args: inputArg('ActivateEmbeddingSpaceInput'),
        resolve: resolve.activateEmbeddingSpace,
      })
    },
  }),
]
