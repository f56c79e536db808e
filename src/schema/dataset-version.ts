import * as resolve from '../resolvers/dataset-version.ts'
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

const ExportFormat = enumType({
  name: 'ExportFormat',
  description: 'File formats of an export.',
  members: [
    { name: 'JSONL', description: 'One JSON object a line.' },
    { name: 'CSV', description: 'CSV manifest.' },
    { name: 'PARQUET', description: 'Parquet manifest, embeddings optional.' },
    { name: 'IMAGE_FOLDER', description: 'One folder an identity, with metadata.jsonl as Hugging Face expects.' },
    { name: 'COCO', description: 'COCO JSON with identities as attributes.' },
    { name: 'LEARN_TO_CLUSTER', description: 'learn-to-cluster .meta labels, .bin features and k-NN .npz.' },
    { name: 'FIFTYONE', description: 'FiftyOne dataset folder.' },
  ],
})

const DatasetVersion = objectType({
  name: 'DatasetVersion',
  description: 'Immutable snapshot of items, identities and constraints.',
  sourceType: prismaRow('DatasetVersion'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.id })
    t.nonNull.string('tag', { description: 'Tag such as 2026-11-03.1.' })
    t.nonNull.int('ledgerRevision', { description: 'Ledger revision it froze.' })
    t.nonNull.string('contentHash', { description: 'SHA-256 of its sorted manifest.' })
    t.nonNull.int('itemCount', { description: 'Items.' })
    t.nonNull.int('identityCount', { description: 'Identities.' })
    t.nonNull.field('createdAt', { type: 'DateTime', description: 'When it was asked for.' })
    t.nonNull.field('job', { type: 'Job', description: 'Job that freezes it.', resolve: resolve.versionJob })
    t.nonNull.list.nonNull.field('exports', {
      type: 'Export',
      description: 'Files made from it.',
      resolve: resolve.versionExports,
    })
  },
})

const Export = objectType({
  name: 'Export',
  description: 'A file set made from a snapshot.',
  sourceType: prismaRow('Export'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.exportId })
    t.nonNull.field('format', { type: 'ExportFormat', description: 'Format.' })
    t.nonNull.field('createdAt', { type: 'DateTime', description: 'When it was asked for.' })
    t.nonNull.field('job', { type: 'Job', description: 'Job that writes it.', resolve: resolve.exportJob })
    t.nonNull.list.nonNull.field('files', {
      type: 'ExportFile',
      description: 'Parts, ready to download; empty until the job succeeds, and once it is withdrawn.',
      resolve: resolve.files,
    })
    t.nonNull.boolean('isWithdrawn', {
      description: 'Whether its files were taken away, for an item in them was erased: make it again.',
      resolve: resolve.isWithdrawn,
    })
  },
})

const ExportFile = objectType({
  name: 'ExportFile',
  description: 'One part of an export.',
  sourceType: prismaRow('ExportFile'),
  definition(t) {
    t.nonNull.string('name', { description: 'Name.' })
    t.nonNull.field('url', { type: 'URL', description: 'Signed address.', resolve: resolve.fileUrl })
    t.nonNull.float('byteSize', { description: 'Bytes.', resolve: resolve.byteSize })
    t.nonNull.string('sha256', { description: 'SHA-256.' })
  },
})

export const datasetVersionTypes = [
  ExportFormat,
  DatasetVersion,
  Export,
  ExportFile,
  ...connectionTypes({
    node: 'DatasetVersion',
    page: 'Page of snapshots.',
    edge: 'Snapshot with its cursor.',
    nodeDescription: 'Snapshot.',
  }),
  inputObjectType({
    name: 'CreateDatasetVersionInput',
    description: 'Snapshot.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.nonNull.list.nonNull.field('identityStates', {
        type: 'IdentityState',
        default: ['CONFIRMED', 'LOCKED'],
        description: 'Only identities in these states.',
      })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('CreateDatasetVersionPayload', 'Snapshot begun.', (t) => {
    t.field('datasetVersion', { type: 'DatasetVersion', description: 'Snapshot.' })
    t.field('job', { type: 'Job', description: 'Job that builds it.' })
  }),
  inputObjectType({
    name: 'CreateExportInput',
    description: 'Export.',
    definition(t) {
      t.nonNull.id('datasetVersionId', { description: 'Snapshot.' })
      t.nonNull.field('format', { type: 'ExportFormat', description: 'Format.' })
      t.nonNull.boolean('includeEmbeddings', {
        default: false,
        description: 'Put embeddings in it, where the format can.',
      })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('CreateExportPayload', 'Export begun.', (t) => {
    t.field('export', { type: 'Export', description: 'Export.' })
  }),
  extendType({
    type: 'Project',
    definition(t) {
      t.nonNull.field('datasetVersions', {
        type: 'DatasetVersionConnection',
        description: 'Snapshots, newest first.',
        args: pageArgs(20),
        resolve: resolve.projectVersions,
      })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('createDatasetVersion', {
        type: 'CreateDatasetVersionPayload',
        description: 'Freeze a snapshot.',
        args: inputArg('CreateDatasetVersionInput'),
        resolve: resolve.createDatasetVersion,
      })
      t.nonNull.field('createExport', {
        type: 'CreateExportPayload',
        description: 'Write a snapshot to files.',
        args: inputArg('CreateExportInput'),
        resolve: resolve.createExport,
      })
    },
  }),
]
