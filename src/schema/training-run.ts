import * as resolve from '../resolvers/training-run.ts'
import {
  connectionTypes,
  enumType,
  extendType,
  inputArg,
  inputObjectType,
  objectType,
  pageArgs,
  payloadType,
  prismaRow,
} from './nexus.ts'

const ModelState = enumType({
  name: 'ModelState',
  description: 'Life of a model.',
  members: [
    { name: 'CANDIDATE', description: 'Trained, not measured.' },
    { name: 'EVALUATED', description: 'Measured on the holdout.' },
    { name: 'ACTIVE', description: 'Used by new runs.' },
    { name: 'ARCHIVED', description: 'Kept, not used.' },
    { name: 'REJECTED', description: 'Failed its gate.' },
  ],
})

const TrainingTarget = enumType({
  name: 'TrainingTarget',
  description: 'What a training makes.',
  members: [
    { name: 'CLUSTERING', description: 'GCN-V and GCN-E weights.' },
    {
      name: 'EMBEDDING',
      description:
        'An embedding head, trained on labels and pseudo-labels as two tasks; items are embedded anew with it.',
    },
  ],
})

const ModelVersion = objectType({
  name: 'ModelVersion',
  description: 'Trained weights with their measurements.',
  sourceType: prismaRow('ModelVersion'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.modelId })
    t.nonNull.int('number', { description: 'Counting up within the project.' })
    t.nonNull.field('target', { type: 'TrainingTarget', description: 'Whether it clusters or embeds.' })
    t.nonNull.field('state', { type: 'ModelState', description: 'State.' })
    t.nonNull.field('createdAt', { type: 'DateTime', description: 'When it was trained or brought in.' })
    t.field('trainingRun', {
      type: 'TrainingRun',
      description: 'Training that made it; null for imported weights.',
      resolve: resolve.modelTraining,
    })
    t.field('pairwiseF', {
      type: 'Estimate',
      description: 'Pairwise F on the frozen holdout.',
      resolve: resolve.pairwiseF,
    })
    t.field('bcubedF', { type: 'Estimate', description: 'BCubed F on the frozen holdout.', resolve: resolve.bcubedF })
    t.field('activePairwiseF', {
      type: 'Estimate',
      description:
        'Pairwise F of what runs used when it was measured, the active model or none, on the same identities: the gate.',
      resolve: resolve.activePairwiseF,
    })
    t.field('activeBcubedF', {
      type: 'Estimate',
      description: 'BCubed F of what runs used then, on the same identities.',
      resolve: resolve.activeBcubedF,
    })
    t.field('weightsUrl', {
      type: 'URL',
      description: 'Where to download its weights: for the command line, or to bring them into another project.',
      resolve: resolve.weightsUrl,
    })
  },
})

const TrainingRun = objectType({
  name: 'TrainingRun',
  description: 'A training on confirmed identities: of GCN-V and GCN-E, or of an embedding model.',
  sourceType: prismaRow('TrainingRun'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.id })
    t.nonNull.field('target', { type: 'TrainingTarget', description: 'What it trains.' })
    t.nonNull.field('createdAt', { type: 'DateTime', description: 'When it was asked for.' })
    t.nonNull.field('job', { type: 'Job', description: 'Job that computes it.', resolve: resolve.job })
    t.nonNull.list.nonNull.field('lossCurve', {
      type: 'LossPoint',
      description: 'Loss by step, thinned to at most 500 points.',
      resolve: resolve.lossCurve,
    })
    t.nonNull.field('datasetVersion', {
      type: 'DatasetVersion',
      description: 'Snapshot it learns from.',
      resolve: resolve.datasetVersion,
    })
    t.field('model', { type: 'ModelVersion', description: 'Model it made.', resolve: resolve.model })
  },
})

const LossPoint = objectType({
  name: 'LossPoint',
  description: 'One point of a loss curve.',
  definition(t) {
    t.nonNull.int('step', { description: 'Optimiser step.' })
    t.nonNull.float('loss', { description: 'Training loss.' })
    t.float('heldOutLoss', { description: 'Loss on held-out identities, where measured.' })
  },
})

export const trainingRunTypes = [
  ModelState,
  TrainingTarget,
  ModelVersion,
  TrainingRun,
  LossPoint,
  ...connectionTypes({
    node: 'ModelVersion',
    page: 'Page of models.',
    edge: 'Model with its cursor.',
    nodeDescription: 'Model.',
  }),
  ...connectionTypes({
    node: 'TrainingRun',
    page: 'Page of trainings.',
    edge: 'Training with its cursor.',
    nodeDescription: 'Training.',
  }),
  inputObjectType({
    name: 'StartTrainingRunInput',
    description: 'Train.',
    definition(t) {
      t.nonNull.id('datasetVersionId', { description: 'Snapshot.' })
      t.nonNull.field('target', { type: 'TrainingTarget', default: 'CLUSTERING', description: 'What to train.' })
      t.id('fromModelVersionId', { description: 'Start from these weights.' })
      t.field('embedding', { type: 'EmbeddingTrainingInput', description: 'How, when the target is EMBEDDING.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('StartTrainingRunPayload', 'Training begun.', (t) => {
    t.field('trainingRun', { type: 'TrainingRun', description: 'Training.' })
  }),
  inputObjectType({
    name: 'ActivateModelInput',
    description: 'Activate.',
    definition(t) {
      t.nonNull.id('modelVersionId', { description: 'Model.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('ActivateModelPayload', 'Activated.', (t) => {
    t.field('model', { type: 'ModelVersion', description: 'Model.' })
  }),
  extendType({
    type: 'Project',
    definition(t) {
      t.field('activeModel', {
        type: 'ModelVersion',
        description: 'The model new runs use.',
        resolve: resolve.activeModel,
      })
      t.nonNull.field('modelVersions', {
        type: 'ModelVersionConnection',
        description: 'Models, newest first.',
        args: pageArgs(20),
        resolve: resolve.projectModels,
      })
      t.nonNull.field('trainingRuns', {
        type: 'TrainingRunConnection',
        description: 'Trainings, newest first.',
        args: pageArgs(20),
        resolve: resolve.projectTrainings,
      })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('startTrainingRun', {
        type: 'StartTrainingRunPayload',
        description: 'Begin a training on a snapshot.',
        args: inputArg('StartTrainingRunInput'),
        resolve: resolve.startTrainingRun,
      })
      t.nonNull.field('activateModel', {
        type: 'ActivateModelPayload',
        description: 'Make a measured model the active one.',
        args: inputArg('ActivateModelInput'),
        resolve: resolve.activateModel,
      })
    },
  }),
]
