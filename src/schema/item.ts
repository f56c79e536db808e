import * as resolve from '../resolvers/item.ts'
import {
  arg,
  connectionTypes,
  enumType,
  extendType,
  floatArg,
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

const Box = objectType({
  name: 'Box',
  description: 'Rectangle in fractions of the source image.',
  definition(t) {
    t.nonNull.float('x', { description: 'Left.' })
    t.nonNull.float('y', { description: 'Top.' })
    t.nonNull.float('width', { description: 'Width.' })
    t.nonNull.float('height', { description: 'Height.' })
  },
})

const SimilarItem = objectType({
  name: 'SimilarItem',
  description: 'A neighbour with its cosine similarity.',
  sourceType: sourceIn('services/similarity.ts', 'SimilarItem'),
  definition(t) {
    t.nonNull.field('item', { type: 'Item', description: 'Neighbour.' })
    t.nonNull.float('similarity', { description: 'Cosine similarity.' })
  },
})

const Item = objectType({
  name: 'Item',
  description: 'An image (or crop) with its embeddings.',
  sourceType: prismaRow('Item'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.id })
    t.nonNull.string('externalKey', { description: "Caller's own key, unique in the project." })
    t.nonNull.field('thumbnailUrl', {
      type: 'URL',
      description: 'Signed thumbnail; the square edge is the nearest size kept at or above the one asked for.',
      args: { size: nonNull(intArg({ default: 160, description: 'Edge in pixels.' })) },
      resolve: resolve.thumbnailUrl,
    })
    t.nonNull.field('imageUrl', { type: 'URL', description: 'Signed original.', resolve: resolve.imageUrl })
    t.nonNull.int('width', { description: 'Pixel width.' })
    t.nonNull.int('height', { description: 'Pixel height.' })
    t.field('box', { type: 'Box', description: 'Crop within a source image, as fractions.', resolve: resolve.box })
    t.field('metadata', { type: 'JSONObject', description: 'User metadata.' })
    t.field('identity', { type: 'Identity', description: 'Identity it belongs to now.', resolve: resolve.identity })
    t.nonNull.list.nonNull.field('nearDuplicates', {
      type: 'SimilarItem',
      description: 'Near-duplicates at or above the similarity.',
      args: {
        minSimilarity: nonNull(floatArg({ default: 0.97, description: 'Least cosine similarity.' })),
        first: nonNull(intArg({ default: 12 })),
      },
      resolve: resolve.nearDuplicates,
    })
    t.nonNull.list.nonNull.field('similar', {
      type: 'SimilarItem',
      description: "Nearest neighbours in an embedding space (approximate, with the index's recall setting).",
      args: {
        first: nonNull(intArg({ default: 24 })),
        excludeIdentityId: idArg({ description: 'Leave the members of this identity out.' }),
      },
      resolve: resolve.similar,
    })
  },
})

const ItemFilter = inputObjectType({
  name: 'ItemFilter',
  description: 'Filter of items; all parts must hold.',
  definition(t) {
    t.boolean('unassigned', { description: 'Only items in no identity.' })
    t.list.nonNull.string('externalKeys', { description: 'Only these external keys (at most 250).' })
    t.float('maxConfidence', { description: 'Vertex confidence at most this in the published run.' })
  },
})

const ImportConflict = enumType({
  name: 'ImportConflict',
  description: 'Existing keys.',
  members: [
    { name: 'REJECT', description: 'Refuse the row.' },
    { name: 'SKIP', description: 'Leave the stored item.' },
    { name: 'REPLACE', description: 'Replace image, embedding and metadata.' },
  ],
})

export const itemTypes = [
  Box,
  SimilarItem,
  Item,
  ItemFilter,
  ImportConflict,
  ...connectionTypes({
    node: 'Item',
    page: 'Page of items.',
    edge: 'Item with its cursor.',
    nodeDescription: 'Item.',
    totalCount: 'Count, capped.',
  }),
  inputObjectType({
    name: 'SimilaritySearchInput',
    description: 'Exactly one of itemId, vector and stagedUrl.',
    definition(t) {
      t.id('itemId', { description: 'By an item.' })
      t.list.nonNull.float('vector', { description: "By a raw vector of the project's dimension." })
      t.field('stagedUrl', {
        type: 'URL',
        description: "By a picture: a stagedUrl of createUpload, embedded with the project's embedder.",
      })
    },
  }),
  inputObjectType({
    name: 'CreateUploadInput',
    description: 'Upload.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.nonNull.string('fileName', { description: 'File name.' })
      t.nonNull.float('byteSize', { description: 'Bytes.' })
    },
  }),
  payloadType('CreateUploadPayload', 'Upload address.', (t) => {
    t.field('uploadUrl', { type: 'URL', description: 'Where to PUT the bytes.' })
    t.field('stagedUrl', { type: 'URL', description: 'What to pass on afterwards.' })
  }),
  inputObjectType({
    name: 'StartImportInput',
    description: 'Import.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.nonNull.field('manifestUrl', {
        type: 'URL',
        description:
          'Manifest: JSONL, CSV or Parquet with externalKey, image and optional embedding, label, box and metadata columns; an .npy or raw .bin with a key or .meta label file; a folder of images, one folder a label where labels are known; or a zip archive of any of these. A stagedUrl of createUpload; a file: address or an s3: address that the server allows; or an http(s) address.',
      })
      t.nonNull.field('onExisting', {
        type: 'ImportConflict',
        default: 'SKIP',
        description: 'What to do with keys that exist: refuse, skip or replace.',
      })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('StartImportPayload', 'Import begun.', (t) => {
    t.field('job', { type: 'Job', description: 'Job.' })
  }),
  extendType({
    type: 'Project',
    definition(t) {
      t.nonNull.field('items', {
        type: 'ItemConnection',
        description: 'Items, newest first.',
        args: { ...pageArgs(), filter: arg({ type: 'ItemFilter' }) },
        resolve: resolve.projectItems as never,
      })
    },
  }),
  extendType({
    type: 'Query',
    definition(t) {
      t.nonNull.list.nonNull.field('similaritySearch', {
        type: 'SimilarItem',
        description: 'k-NN by an item or by a raw vector.',
        args: {
          ...inputArg('SimilaritySearchInput'),
          first: nonNull(intArg({ default: 24, description: 'How many, at most 100.' })),
          projectId: idArg({ description: 'Where to search by vector; may be left out with a project key.' }),
        },
        resolve: resolve.similaritySearch,
      })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('createUpload', {
        type: 'CreateUploadPayload',
        description: 'Get a signed address to put a file on, for startImport or importModel.',
        args: inputArg('CreateUploadInput'),
        resolve: resolve.createUpload,
      })
      t.nonNull.field('startImport', {
        type: 'StartImportPayload',
        description: 'Begin an import from staged files, a bucket prefix or a manifest.',
        args: inputArg('StartImportInput'),
        resolve: resolve.startImport,
      })
    },
  }),
]
