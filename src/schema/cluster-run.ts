import * as resolve from '../resolvers/cluster-run.ts'
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

const ClusterMethod = enumType({
  name: 'ClusterMethod',
  description: 'How clusters are made; new values may be added.',
  members: [
    { name: 'AUTO', description: 'Chosen by measurement on held-out identities; without labels, the map equation.' },
    { name: 'GCN_V', description: 'Confidence by GCN-V, nearest more confident neighbour in the rebuilt graph.' },
    { name: 'GCN_VE', description: 'Confidence by GCN-V, connectivity by GCN-E.' },
    { name: 'INFOMAP', description: 'Two-level map equation on the neighbour graph, no labels needed.' },
    { name: 'FC_ES', description: 'Neighbour-set similarity with early stop, then the map equation.' },
    { name: 'THRESHOLD', description: 'Connected components above a cosine threshold.' },
    { name: 'K_MEANS', description: 'K-means; mini-batches above a size.' },
    { name: 'HAC', description: 'Single-linkage agglomeration.' },
    { name: 'DBSCAN', description: 'DBSCAN on the neighbour graph.' },
    { name: 'MEAN_SHIFT', description: 'Mean shift with a flat kernel.' },
    { name: 'SPECTRAL', description: 'Normalised spectral clustering.' },
    { name: 'ARO', description: 'Approximate rank order.' },
    { name: 'CHINESE_WHISPERS', description: 'Chinese whispers.' },
    { name: 'CDP', description: 'Consensus-driven propagation.' },
    { name: 'CDP_VOTED', description: 'Consensus-driven propagation, pairs voted on by a committee and its mediator.' },
    { name: 'L_GCN', description: 'Linkage GCN.' },
    { name: 'LTC', description: 'Learning to cluster on an affinity graph: detection and segmentation of proposals.' },
    {
      name: 'STRUCTURE',
      description: 'Map equation on edges weighed by a network that has learnt from their surroundings.',
    },
  ],
})

const ClusterRunState = enumType({
  name: 'ClusterRunState',
  description: 'Life of a run.',
  members: [
    { name: 'QUEUED', description: 'Waiting for a worker.' },
    { name: 'RUNNING', description: "Computing: see the job's phase." },
    { name: 'READY', description: 'Complete, not yet shown to annotators.' },
    { name: 'PUBLISHED', description: 'Its proposals feed the queue.' },
    { name: 'SUPERSEDED', description: 'A later run is published.' },
    { name: 'FAILED', description: 'Stopped by an error.' },
    { name: 'CANCELED', description: 'Stopped by a person.' },
  ],
})

const VertexOrder = enumType({
  name: 'VertexOrder',
  description: 'Order of vertices.',
  members: [
    { name: 'CONFIDENCE_ASC', description: 'Least confident first.' },
    { name: 'CONFIDENCE_DESC', description: 'Most confident first.' },
    { name: 'IMPACT_DESC', description: 'Most expected wrong pairs first.' },
  ],
})

const PrecisionRecall = objectType({
  name: 'PrecisionRecall',
  description: 'Precision, recall and their harmonic mean.',
  definition(t) {
    t.nonNull.float('precision', { description: 'Precision.' })
    t.nonNull.float('recall', { description: 'Recall.' })
    t.nonNull.float('f', { description: 'F-score.' })
  },
})

const ClusterQuality = objectType({
  name: 'ClusterQuality',
  description: 'External quality of a clustering, as fractions.',
  definition(t) {
    t.nonNull.field('pairwise', { type: 'PrecisionRecall', description: 'Pairwise precision, recall and F.' })
    t.nonNull.field('bcubed', { type: 'PrecisionRecall', description: 'BCubed precision, recall and F.' })
    t.nonNull.float('nmi', { description: 'Normalised mutual information.' })
    t.nonNull.int('itemCount', { description: 'Items with a known identity that were compared.' })
  },
})

const RunPhase = objectType({
  name: 'RunPhase',
  description: 'Cost of one phase of a run.',
  definition(t) {
    t.nonNull.string('name', { description: 'Name such as knn, gcn_v, gcn_e, partition.' })
    t.nonNull.float('seconds', { description: 'Wall seconds.' })
    t.nonNull.float('peakRssBytes', { description: 'Peak resident bytes seen during it.' })
  },
})

const ClusterRun = objectType({
  name: 'ClusterRun',
  description: 'One immutable clustering of one snapshot of the data.',
  sourceType: prismaRow('ClusterRun'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id.', resolve: resolve.id })
    t.nonNull.field('state', { type: 'ClusterRunState', description: 'State.' })
    t.nonNull.field('job', { type: 'Job', description: 'Job that computes it.', resolve: resolve.job })
    t.field('model', {
      type: 'ModelVersion',
      description: 'Model it used; null for methods that need none.',
      resolve: resolve.model,
    })
    t.nonNull.int('ledgerRevision', { description: 'Ledger revision whose constraints it honoured.' })
    t.nonNull.boolean('isIncremental', {
      description: 'True when it only placed what was new into its parent; false when everything was computed.',
      resolve: resolve.isIncremental,
    })
    t.field('parent', {
      type: 'ClusterRun',
      description: 'Run it continues, for incremental runs.',
      resolve: resolve.parent,
    })
    t.nonNull.int('vertexCount', { description: 'Vertices in it.' })
    t.nonNull.int('clusterCount', { description: 'Clusters in it.' })
    t.nonNull.int('constraintsHonoured', { description: 'Human constraints it had to keep, and kept.' })
    t.nonNull.field('method', { type: 'ClusterMethod', description: 'Method that was asked for.' })
    t.field('chosenMethod', {
      type: 'ClusterMethod',
      description: 'Method that made it: with AUTO the one that was chosen. Null until it is computed.',
      resolve: resolve.chosenMethod,
    })
    t.field('chosenParameters', {
      type: 'JSONObject',
      description: 'Parameters that were used, defaults and learnt ones included. Null until it is computed.',
      resolve: resolve.chosenParameters,
    })
    t.string('explanation', {
      description: 'What was done and why, in sentences. Null until it is computed.',
      resolve: resolve.explanation,
    })
    t.nonNull.field('clusters', {
      type: 'ClusterConnection',
      description: 'Clusters, by expected wrong pairs.',
      args: pageArgs(),
      resolve: resolve.runClusters,
    })
    t.nonNull.field('vertices', {
      type: 'VertexConnection',
      description: 'Vertices; least confident first by default, which is what the method asks people to look at.',
      args: {
        ...pageArgs(60),
        orderBy: nonNull(arg({ type: 'VertexOrder', default: 'CONFIDENCE_ASC' })),
        minSubtreeSize: intArg({ description: 'Only vertices that would take at least so many others along.' }),
      },
      resolve: resolve.runVertices,
    })
    t.field('quality', {
      type: 'ClusterQuality',
      description: 'Agreement with the identities people confirmed; null while there are too few to say.',
      resolve: resolve.quality,
    })
    t.nonNull.list.nonNull.field('phases', {
      type: 'RunPhase',
      description: 'What it cost: seconds and peak memory by phase.',
      resolve: resolve.phases,
    })
    t.nonNull.list.nonNull.int('confidenceHistogram', {
      description: 'Confidence histogram: 20 equal bins from -1 to 1.',
    })
    t.nonNull.field('diff', {
      type: 'RunDiff',
      description: 'Difference to another run.',
      args: { againstRunId: nonNull(idArg({ description: 'The run before.' })) },
      resolve: resolve.diff,
    })
    t.nonNull.field('createdAt', { type: 'DateTime', description: 'When it was created.' })
  },
})

const Cluster = objectType({
  name: 'Cluster',
  description: "A run's proposed group. Never edited: edits go to identities.",
  sourceType: prismaRow('Cluster'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id, valid within its run.', resolve: resolve.clusterId })
    t.nonNull.field('run', { type: 'ClusterRun', description: 'Run.', resolve: resolve.clusterRunOf })
    t.nonNull.int('size', { description: 'Members.' })
    t.nonNull.field('root', {
      type: 'Vertex',
      description: 'Root: the member with the highest confidence.',
      resolve: resolve.clusterRoot,
    })
    t.field('identity', {
      type: 'Identity',
      description: 'Identity it was matched to, by human anchors first and overlap second.',
      resolve: resolve.clusterIdentity,
    })
    t.nonNull.field('vertices', {
      type: 'VertexConnection',
      description: 'Members, root first.',
      args: pageArgs(60),
      resolve: resolve.clusterVertices,
    })
  },
})

const Vertex = objectType({
  name: 'Vertex',
  description: "An item as a vertex of one run's graph.",
  sourceType: prismaRow('Vertex'),
  definition(t) {
    t.implements('Node')
    t.nonNull.id('id', { description: 'Opaque global id, valid within its run.', resolve: resolve.vertexId })
    t.nonNull.field('item', { type: 'Item', description: 'Item.', resolve: resolve.vertexItem })
    t.nonNull.float('confidence', { description: 'GCN-V confidence.' })
    t.field('parentEdge', {
      type: 'GraphEdge',
      description: 'Edge to the more confident neighbour it hangs on; null for a root.',
      resolve: resolve.parentEdge,
    })
    t.nonNull.int('subtreeSize', {
      description: 'Vertices that would leave with it if its parent edge were cut, itself included.',
    })
    t.nonNull.float('impact', {
      description: 'Expected wrong pairs due to its parent edge: (1-p) * subtree * (cluster - subtree).',
    })
    t.nonNull.list.nonNull.field('pathToRoot', {
      type: 'GraphEdge',
      description: 'Path of tree edges up to the root: why it is in this cluster.',
      args: { maxEdges: nonNull(intArg({ default: 32, description: 'The path is cut after so many edges.' })) },
      resolve: resolve.pathToRoot,
    })
  },
})

const GraphEdge = objectType({
  name: 'GraphEdge',
  description: 'A candidate link between two vertices.',
  sourceType: sourceIn('resolvers/cluster-run.ts', 'GraphEdgeSource'),
  definition(t) {
    t.nonNull.field('child', { type: 'Vertex', description: 'Less confident end.', resolve: resolve.edgeChild })
    t.nonNull.field('parent', { type: 'Vertex', description: 'More confident end.', resolve: resolve.edgeParent })
    t.nonNull.float('similarity', { description: 'Cosine similarity.' })
    t.nonNull.float('probability', { description: 'GCN-E connectivity, calibrated to a probability.' })
    t.field('constraint', {
      type: 'Constraint',
      description: 'Human constraint on this pair, if any.',
      resolve: resolve.edgeConstraint,
    })
  },
})

const RunDiffEntry = objectType({
  name: 'RunDiffEntry',
  description: 'One split or merge between two runs.',
  sourceType: sourceIn('services/run-diff.ts', 'RunDiffEntry'),
  definition(t) {
    t.nonNull.list.nonNull.field('before', {
      type: 'Cluster',
      description: 'Clusters before.',
      resolve: resolve.diffClusters('before'),
    })
    t.nonNull.list.nonNull.field('after', {
      type: 'Cluster',
      description: 'Clusters after.',
      resolve: resolve.diffClusters('after'),
    })
    t.nonNull.int('itemCount', { description: 'Items involved.' })
  },
})

const RunDiff = objectType({
  name: 'RunDiff',
  description: 'What changed between two runs.',
  sourceType: sourceIn('services/run-diff.ts', 'RunDiff'),
  definition(t) {
    t.nonNull.int('unchanged', { description: 'Clusters with the same members.' })
    t.nonNull.list.nonNull.field('splits', { type: 'RunDiffEntry', description: 'Groups that were split.' })
    t.nonNull.list.nonNull.field('merges', { type: 'RunDiffEntry', description: 'Groups that were merged.' })
    t.nonNull.field('movedItems', { type: 'CappedCount', description: 'Items that changed group.' })
    t.nonNull.int('violatedDecisions', {
      description: 'Human decisions that the newer run would have broken; always zero once published.',
    })
  },
})

export const clusterRunTypes = [
  ClusterMethod,
  ClusterRunState,
  VertexOrder,
  PrecisionRecall,
  ClusterQuality,
  RunPhase,
  ClusterRun,
  Cluster,
  Vertex,
  GraphEdge,
  RunDiffEntry,
  RunDiff,
  ...connectionTypes({
    node: 'ClusterRun',
    page: 'Page of runs.',
    edge: 'Run with its cursor.',
    nodeDescription: 'Run.',
  }),
  ...connectionTypes({
    node: 'Cluster',
    page: 'Page of clusters.',
    edge: 'Cluster with its cursor.',
    nodeDescription: 'Cluster.',
  }),
  ...connectionTypes({
    node: 'Vertex',
    page: 'Page of vertices.',
    edge: 'Vertex with its cursor.',
    nodeDescription: 'Vertex.',
  }),
  inputObjectType({
    name: 'ClusterParametersInput',
    description: 'Knobs of a run.',
    definition(t) {
      t.int('k', { description: 'Neighbours of each vertex.' })
      t.int('probes', {
        description:
          'Absent: neighbours are exact. Else they are sought in so many nearest k-means cells, which pays from some hundred thousand items; the explanation says what share was found.',
      })
      t.float('tau', { description: 'Edges below this cosine similarity are cut.' })
      t.float('rho', { description: 'Share of vertices, the most confident first, on which GCN-E is applied.' })
      t.int('maxConnections', {
        description: 'Edges each vertex keeps: 1 gives trees, more gives directed acyclic graphs.',
      })
      t.int('clusterCount', { description: 'Clusters wanted, for methods that must be told.' })
      t.int('seed', { description: 'Seed of every random choice.' })
    },
  }),
  inputObjectType({
    name: 'StartClusterRunInput',
    description: 'Run.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.nonNull.boolean('incremental', { default: true, description: 'Only place new items into what there is.' })
      t.field('method', { type: 'ClusterMethod', description: "Method; the project's default when absent." })
      t.field('parameters', {
        type: 'ClusterParametersInput',
        description: 'Knobs of the method; what is left out has the documented default.',
      })
      t.id('modelVersionId', { description: 'Model; the active one when absent.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('StartClusterRunPayload', 'Run begun.', (t) => {
    t.field('clusterRun', { type: 'ClusterRun', description: 'Run.' })
  }),
  inputObjectType({
    name: 'PublishClusterRunInput',
    description: 'Publish.',
    definition(t) {
      t.nonNull.id('clusterRunId', { description: 'Run.' })
      t.nonNull.int('expectedLedgerRevision', { description: 'Ledger head the caller saw.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('PublishClusterRunPayload', 'Published.', (t) => {
    t.field('clusterRun', { type: 'ClusterRun', description: 'Run.' })
  }),
  extendType({
    type: 'Project',
    definition(t) {
      t.field('publishedRun', {
        type: 'ClusterRun',
        description: 'The run whose proposals annotators see.',
        resolve: resolve.publishedRun,
      })
      t.nonNull.field('clusterRuns', {
        type: 'ClusterRunConnection',
        description: 'Runs, newest first.',
        args: pageArgs(20),
        resolve: resolve.projectRuns,
      })
    },
  }),
  extendType({
    type: 'Query',
    definition(t) {
      t.field('clusterRun', {
        type: 'ClusterRun',
        description: 'A run.',
        args: { id: nonNull(idArg()) },
        resolve: resolve.clusterRun,
      })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('startClusterRun', {
        type: 'StartClusterRunPayload',
        description: 'Begin a run.',
        args: inputArg('StartClusterRunInput'),
        resolve: resolve.startClusterRun,
      })
      t.nonNull.field('publishClusterRun', {
        type: 'PublishClusterRunPayload',
        description: "Show a ready run's proposals.",
        args: inputArg('PublishClusterRunInput'),
        resolve: resolve.publishClusterRun,
      })
    },
  }),
]
