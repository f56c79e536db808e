import * as resolve from '../resolvers/embedder.ts'
import { enumType, extendType, inputArg, inputObjectType, objectType, payloadType, sourceIn } from './nexus.ts'

const EmbedderKind = enumType({
  name: 'EmbedderKind',
  description: 'What turns pictures into vectors.',
  members: [
    { name: 'FACES', description: 'face-api: one item a face, vectors of 128 values.' },
    { name: 'MODEL', description: 'A model that importModel brought in: one item a picture.' },
  ],
})

const Embedder = objectType({
  name: 'Embedder',
  description: 'What a project embeds pictures with that come without a vector.',
  sourceType: sourceIn('services/project-embedder.ts', 'ProjectEmbedder'),
  definition(t) {
    t.nonNull.field('kind', { type: 'EmbedderKind', description: 'Kind.' })
    t.field('model', { type: 'ModelVersion', description: 'Model of the kind MODEL.', resolve: resolve.model })
  },
})

export const embedderTypes = [
  EmbedderKind,
  Embedder,
  extendType({
    type: 'Project',
    definition(t) {
      t.field('embedder', {
        type: 'Embedder',
        description: 'What embeds pictures that come without a vector; null when nothing does.',
        resolve: resolve.projectEmbedder,
      })
      t.nonNull.boolean('hasEmbedder', {
        description: 'Whether pictures are embedded here, and can be searched with.',
        resolve: resolve.hasEmbedder,
      })
    },
  }),
  inputObjectType({
    name: 'SetEmbedderInput',
    description: 'Embedder of a project.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.field('kind', { type: 'EmbedderKind', description: 'Kind; null takes it away.' })
      t.id('modelVersionId', { description: 'Checked model of importModel, for the kind MODEL.' })
      t.nonNull.boolean('trustStoredVectors', {
        default: false,
        description: 'The vectors imported so far were made by the very same embedder outside.',
      })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('SetEmbedderPayload', 'Embedder set.', (t) => {
    t.field('project', { type: 'Project', description: 'Project.' })
    t.field('job', {
      type: 'Job',
      description: 'Job that embeds items that have a picture and no vector yet; null when there are none.',
    })
  }),
  inputObjectType({
    name: 'ImportModelInput',
    description: 'Outside weights.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.nonNull.field('stagedUrl', {
        type: 'URL',
        description:
          'Upload of createUpload: a model that embeds pictures (TensorFlow.js model archive, or an ONNX model, as it is or in an archive), or the model.weights of `tributary train`, which clusters.',
      })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('ImportModelPayload', 'Model brought in.', (t) => {
    t.field('model', { type: 'ModelVersion', description: 'Model, as CANDIDATE.' })
    t.field('job', {
      type: 'Job',
      description: 'Job that checks it: a clustering model is measured on the frozen hold-out.',
    })
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('importModel', {
        type: 'ImportModelPayload',
        description: 'Bring in trained weights from outside.',
        args: inputArg('ImportModelInput'),
        resolve: resolve.importModel,
      })
      t.nonNull.field('setEmbedder', {
        type: 'SetEmbedderPayload',
        description: 'Say what embeds pictures that come without a vector.',
        args: inputArg('SetEmbedderInput'),
        resolve: resolve.setEmbedder,
      })
    },
  }),
]
