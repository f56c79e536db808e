// Written by "npm run client" from schema.graphql and client/operations: change those.
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** Stable codes for expected refusals. */
export type UserErrorCode =
  /** The input failed validation. */
  | 'INVALID'
  /** The id does not exist or is not visible to the caller. */
  | 'NOT_FOUND'
  /** The caller lacks the scope. */
  | 'FORBIDDEN'
  /** expectedRevision is older than the stored revision. */
  | 'STALE_REVISION'
  /** The lease expired or belongs to somebody else. */
  | 'LEASE_LOST'
  /** The decision contradicts active hard constraints. */
  | 'CONSTRAINT_CONFLICT'
  /** Same idempotency key, different body. */
  | 'IDEMPOTENCY_KEY_REUSED'
  /** The object is in a state that does not allow this. */
  | 'INVALID_STATE'
  /** A quota or size limit was reached. */
  | 'LIMIT_EXCEEDED';

/** New project. */
export type CreateProjectInput = {
  /** Name. */
  name: string;
  /** Embedding dimension; fixed for the life of the project. */
  embeddingDimension: number;
  /** Safe to repeat with the same key. */
  idempotencyKey: string | number;
};

/** Filter of items; all parts must hold. */
export type ItemFilter = {
  /** Only items in no identity. */
  unassigned?: boolean | null | undefined;
  /** Only these external keys (at most 250). */
  externalKeys?: Array<string> | null | undefined;
  /** Vertex confidence at most this in the published run. */
  maxConfidence?: number | null | undefined;
};

/** Existing keys. */
export type ImportConflict =
  /** Refuse the row. */
  | 'REJECT'
  /** Leave the stored item. */
  | 'SKIP'
  /** Replace image, embedding and metadata. */
  | 'REPLACE';

/** Upload. */
export type CreateUploadInput = {
  /** Project. */
  projectId: string | number;
  /** File name. */
  fileName: string;
  /** Bytes. */
  byteSize: number;
};

/** Import. */
export type StartImportInput = {
  /** Project. */
  projectId: string | number;
  /** Manifest: JSONL, CSV or Parquet with externalKey, image and optional embedding, label, box and metadata columns; an .npy or raw .bin with a key or .meta label file; a folder of images, one folder a label where labels are known; or a zip archive of any of these. A stagedUrl of createUpload; a file: address or an s3: address that the server allows; or an http(s) address. */
  manifestUrl: string;
  /** What to do with keys that exist: refuse, skip or replace. */
  onExisting?: ImportConflict;
  /** Safe to repeat with the same key. */
  idempotencyKey: string | number;
};

/** State of a job. */
export type JobState =
  /** Waiting. */
  | 'QUEUED'
  /** Running. */
  | 'RUNNING'
  /** Done. */
  | 'SUCCEEDED'
  /** Stopped by an error after all attempts. */
  | 'FAILED'
  /** Stop asked for. */
  | 'CANCELING'
  /** Stopped by a person. */
  | 'CANCELED';

/** How clusters are made; new values may be added. */
export type ClusterMethod =
  /** Chosen by measurement on held-out identities; without labels, the map equation. */
  | 'AUTO'
  /** Confidence by GCN-V, nearest more confident neighbour in the rebuilt graph. */
  | 'GCN_V'
  /** Confidence by GCN-V, connectivity by GCN-E. */
  | 'GCN_VE'
  /** Two-level map equation on the neighbour graph, no labels needed. */
  | 'INFOMAP'
  /** Neighbour-set similarity with early stop, then the map equation. */
  | 'FC_ES'
  /** Connected components above a cosine threshold. */
  | 'THRESHOLD'
  /** K-means; mini-batches above a size. */
  | 'K_MEANS'
  /** Single-linkage agglomeration. */
  | 'HAC'
  /** DBSCAN on the neighbour graph. */
  | 'DBSCAN'
  /** Mean shift with a flat kernel. */
  | 'MEAN_SHIFT'
  /** Normalised spectral clustering. */
  | 'SPECTRAL'
  /** Approximate rank order. */
  | 'ARO'
  /** Chinese whispers. */
  | 'CHINESE_WHISPERS'
  /** Consensus-driven propagation. */
  | 'CDP'
  /** Consensus-driven propagation, pairs voted on by a committee and its mediator. */
  | 'CDP_VOTED'
  /** Linkage GCN. */
  | 'L_GCN'
  /** Learning to cluster on an affinity graph: detection and segmentation of proposals. */
  | 'LTC'
  /** Map equation on edges weighed by a network that has learnt from their surroundings. */
  | 'STRUCTURE';

/** Life of a run. */
export type ClusterRunState =
  /** Waiting for a worker. */
  | 'QUEUED'
  /** Computing: see the job's phase. */
  | 'RUNNING'
  /** Complete, not yet shown to annotators. */
  | 'READY'
  /** Its proposals feed the queue. */
  | 'PUBLISHED'
  /** A later run is published. */
  | 'SUPERSEDED'
  /** Stopped by an error. */
  | 'FAILED'
  /** Stopped by a person. */
  | 'CANCELED';

/** Knobs of a run. */
export type ClusterParametersInput = {
  /** Neighbours of each vertex. */
  k?: number | null | undefined;
  /** Absent: neighbours are exact. Else they are sought in so many nearest k-means cells, which pays from some hundred thousand items; the explanation says what share was found. */
  probes?: number | null | undefined;
  /** Edges below this cosine similarity are cut. */
  tau?: number | null | undefined;
  /** Share of vertices, the most confident first, on which GCN-E is applied. */
  rho?: number | null | undefined;
  /** Edges each vertex keeps: 1 gives trees, more gives directed acyclic graphs. */
  maxConnections?: number | null | undefined;
  /** Clusters wanted, for methods that must be told. */
  clusterCount?: number | null | undefined;
  /** Seed of every random choice. */
  seed?: number | null | undefined;
};

/** Run. */
export type StartClusterRunInput = {
  /** Project. */
  projectId: string | number;
  /** Only place new items into what there is. */
  incremental?: boolean;
  /** Method; the project's default when absent. */
  method?: ClusterMethod | null | undefined;
  /** Knobs of the method; what is left out has the documented default. */
  parameters?: ClusterParametersInput | null | undefined;
  /** Model; the active one when absent. */
  modelVersionId?: string | number | null | undefined;
  /** Safe to repeat with the same key. */
  idempotencyKey: string | number;
};

/** Publish. */
export type PublishClusterRunInput = {
  /** Run. */
  clusterRunId: string | number;
  /** Ledger head the caller saw. */
  expectedLedgerRevision: number;
  /** Safe to repeat with the same key. */
  idempotencyKey: string | number;
};

/** Life of an identity. */
export type IdentityState =
  /** Proposed by a run, untouched by people. */
  | 'PROPOSED'
  /** A person looked at it and accepted it. */
  | 'CONFIRMED'
  /** No automatic addition or removal any more. */
  | 'LOCKED'
  /** Redirects to another identity. */
  | 'MERGED'
  /** Dissolved; its members are free. */
  | 'DISSOLVED';

/** Kinds of decision. */
export type DecisionKind =
  /** Merge identities. */
  | 'MERGE'
  /** Split members out. */
  | 'SPLIT'
  /** Move members. */
  | 'MOVE'
  /** Accept an identity as it is. */
  | 'CONFIRM'
  /** Exclude items. */
  | 'EXCLUDE'
  /** Rename. */
  | 'RENAME'
  /** Lock. */
  | 'LOCK'
  /** Undo an earlier decision. */
  | 'REVERT';

/** What a task asks. */
export type ReviewTaskKind =
  /** Is this tree edge right? (split candidate) */
  | 'EDGE'
  /** Are these two identities the same? (merge candidate) */
  | 'MERGE'
  /** Which of these items do not belong? (grid) */
  | 'OUTLIERS'
  /** Where does this free item go? */
  | 'ASSIGN';

/** Life of a task. */
export type ReviewTaskState =
  /** Waiting. */
  | 'PENDING'
  /** Held by somebody until leaseExpiresAt. */
  | 'LEASED'
  /** Answered, waiting for further answers or adjudication. */
  | 'ANSWERED'
  /** Answers disagree. */
  | 'DISPUTED'
  /** Its decision is in the ledger. */
  | 'APPLIED'
  /** Made needless by another decision or run. */
  | 'OBSOLETE';

/** A person's answer. */
export type ReviewVerdict =
  /** Same. */
  | 'SAME'
  /** Different. */
  | 'DIFFERENT'
  /** Cannot tell; goes to somebody else. */
  | 'UNSURE'
  /** Not a valid subject (blur, no face); excluded from training. */
  | 'INVALID_SUBJECT';

/** Claim. */
export type ClaimReviewTasksInput = {
  /** Project. */
  projectId: string | number;
  /** How many, at most 25. */
  count?: number;
  /** Only these kinds. */
  kinds?: Array<ReviewTaskKind> | null | undefined;
  /** Safe to repeat with the same key. */
  idempotencyKey: string | number;
};

/** One answer. */
export type ReviewAnswerInput = {
  /** Task. */
  taskId: string | number;
  /** Revision the caller saw. */
  expectedRevision: number;
  /** Verdict. */
  verdict: ReviewVerdict;
  /** For OUTLIERS: items that do not belong. */
  outlierItemIds?: Array<string | number> | null | undefined;
  /** For ASSIGN: where it goes. */
  identityId?: string | number | null | undefined;
  /** Milliseconds of looking, as measured by the client. */
  durationMs: number;
};

/** Answers. */
export type SubmitReviewAnswersInput = {
  /** Answers, at most 25. */
  answers: Array<ReviewAnswerInput>;
  /** Hold this many new tasks in the same call. */
  claimNext?: number;
  /** New tasks of these kinds only. */
  kinds?: Array<ReviewTaskKind> | null | undefined;
  /** Safe to repeat with the same key. */
  idempotencyKey: string | number;
};

/** Life of a model. */
export type ModelState =
  /** Trained, not measured. */
  | 'CANDIDATE'
  /** Measured on the holdout. */
  | 'EVALUATED'
  /** Used by new runs. */
  | 'ACTIVE'
  /** Kept, not used. */
  | 'ARCHIVED'
  /** Failed its gate. */
  | 'REJECTED';

/** What a training makes. */
export type TrainingTarget =
  /** GCN-V and GCN-E weights. */
  | 'CLUSTERING'
  /** An embedding head, trained on labels and pseudo-labels as two tasks; items are embedded anew with it. */
  | 'EMBEDDING';

/** Train. */
export type StartTrainingRunInput = {
  /** Snapshot. */
  datasetVersionId: string | number;
  /** What to train. */
  target?: TrainingTarget;
  /** Start from these weights. */
  fromModelVersionId?: string | number | null | undefined;
  /** How, when the target is EMBEDDING. */
  embedding?: EmbeddingTrainingInput | null | undefined;
  /** Safe to repeat with the same key. */
  idempotencyKey: string | number;
};

/** Activate. */
export type ActivateModelInput = {
  /** Model. */
  modelVersionId: string | number;
  /** Safe to repeat with the same key. */
  idempotencyKey: string | number;
};

/** File formats of an export. */
export type ExportFormat =
  /** One JSON object a line. */
  | 'JSONL'
  /** CSV manifest. */
  | 'CSV'
  /** Parquet manifest, embeddings optional. */
  | 'PARQUET'
  /** One folder an identity, with metadata.jsonl as Hugging Face expects. */
  | 'IMAGE_FOLDER'
  /** COCO JSON with identities as attributes. */
  | 'COCO'
  /** learn-to-cluster .meta labels, .bin features and k-NN .npz. */
  | 'LEARN_TO_CLUSTER'
  /** FiftyOne dataset folder. */
  | 'FIFTYONE';

/** Snapshot. */
export type CreateDatasetVersionInput = {
  /** Project. */
  projectId: string | number;
  /** Only identities in these states. */
  identityStates?: Array<IdentityState>;
  /** Safe to repeat with the same key. */
  idempotencyKey: string | number;
};

/** Export. */
export type CreateExportInput = {
  /** Snapshot. */
  datasetVersionId: string | number;
  /** Format. */
  format: ExportFormat;
  /** Put embeddings in it, where the format can. */
  includeEmbeddings?: boolean;
  /** Safe to repeat with the same key. */
  idempotencyKey: string | number;
};

/** What an embedding model is trained on. */
export type EmbeddingSource =
  /** A head on the vectors that came with the items. */
  | 'EMBEDDINGS'
  /** A small convolutional network on pictures of 32 by 32 pixels. */
  | 'PICTURES';

/** How to train an embedding model. */
export type EmbeddingTrainingInput = {
  /** What it looks at; when absent, given vectors where most members of the snapshot have one, else pictures. */
  source?: EmbeddingSource | null | undefined;
  /** Optimiser steps of each of its two trainings; by the number of items when absent. */
  steps?: number | null | undefined;
};

export type ProjectsQueryVariables = Exact<{
  first?: number;
  after?: string | null | undefined;
}>;


export type ProjectsQuery = { projects: { edges: Array<{ node: { id: string, name: string, ledgerRevision: number } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type CreateProjectMutationVariables = Exact<{
  input: CreateProjectInput;
}>;


export type CreateProjectMutation = { createProject: { project: { id: string, name: string } | null, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export type CreateUploadMutationVariables = Exact<{
  input: CreateUploadInput;
}>;


export type CreateUploadMutation = { createUpload: { uploadUrl: string | null, stagedUrl: string | null, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export type StartImportMutationVariables = Exact<{
  input: StartImportInput;
}>;


export type StartImportMutation = { startImport: { job: { id: string } | null, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export type StartClusterRunMutationVariables = Exact<{
  input: StartClusterRunInput;
}>;


export type StartClusterRunMutation = { startClusterRun: { clusterRun: { id: string, job: { id: string } } | null, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export type JobQueryVariables = Exact<{
  id: string | number;
}>;


export type JobQuery = { job: { id: string, kind: string, state: JobState, phase: string | null, completed: number, total: number | null, failure: string | null, failedRowCount: number, failedRowsUrl: string | null } | null };

export type ItemsQueryVariables = Exact<{
  projectId: string | number;
  first?: number;
  after?: string | null | undefined;
  filter?: ItemFilter | null | undefined;
}>;


export type ItemsQuery = { project: { items: { edges: Array<{ node: { id: string, externalKey: string, thumbnailUrl: string, identity: { id: string, name: string | null } | null } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } | null };

export type JobsQueryVariables = Exact<{
  projectId: string | number;
  first?: number;
  after?: string | null | undefined;
  states?: Array<JobState> | JobState | null | undefined;
  kind?: string | null | undefined;
}>;


export type JobsQuery = { project: { jobs: { edges: Array<{ node: { id: string, kind: string, state: JobState, failure: string | null, createdAt: string, finishedAt: string | null } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } | null };

export type ClusterRunQueryVariables = Exact<{
  id: string | number;
}>;


export type ClusterRunQuery = { clusterRun: { id: string, state: ClusterRunState, chosenMethod: ClusterMethod | null, explanation: string | null, vertexCount: number, clusterCount: number, constraintsHonoured: number, quality: { pairwise: { f: number }, bcubed: { f: number } } | null } | null };

export type ProjectStateQueryVariables = Exact<{
  id: string | number;
}>;


export type ProjectStateQuery = { project: { name: string, ledgerRevision: number, publishedRun: { id: string } | null, activeModel: { id: string, number: number } | null, queueSummary: Array<{ kind: ReviewTaskKind, state: ReviewTaskState, count: { value: number, isExact: boolean } }> } | null };

export type PublishClusterRunMutationVariables = Exact<{
  input: PublishClusterRunInput;
}>;


export type PublishClusterRunMutation = { publishClusterRun: { clusterRun: { id: string, state: ClusterRunState } | null, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export type QuestionFragment = { id: string, kind: ReviewTaskKind, revision: number, priority: number, leaseExpiresAt: string | null, panels: Array<{ memberCount: number, identity: { id: string, name: string | null } | null, items: Array<{ id: string, externalKey: string, thumbnailUrl: string }> }> };

export type ClaimReviewTasksMutationVariables = Exact<{
  input: ClaimReviewTasksInput;
}>;


export type ClaimReviewTasksMutation = { claimReviewTasks: { tasks: Array<{ id: string, kind: ReviewTaskKind, revision: number, priority: number, leaseExpiresAt: string | null, panels: Array<{ memberCount: number, identity: { id: string, name: string | null } | null, items: Array<{ id: string, externalKey: string, thumbnailUrl: string }> }> }>, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export type SubmitReviewAnswersMutationVariables = Exact<{
  input: SubmitReviewAnswersInput;
}>;


export type SubmitReviewAnswersMutation = { submitReviewAnswers: { results: Array<{ task: { id: string, state: ReviewTaskState }, decision: { id: string, kind: DecisionKind, ledgerRevision: number } | null, userErrors: Array<
        | { code: UserErrorCode, message: string, path: Array<string> | null }
        | { code: UserErrorCode, message: string, path: Array<string> | null }
        | { code: UserErrorCode, message: string, path: Array<string> | null }
        | { code: UserErrorCode, message: string, path: Array<string> | null }
      > }>, nextTasks: Array<{ id: string, kind: ReviewTaskKind, revision: number, priority: number, leaseExpiresAt: string | null, panels: Array<{ memberCount: number, identity: { id: string, name: string | null } | null, items: Array<{ id: string, externalKey: string, thumbnailUrl: string }> }> }>, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export type CreateDatasetVersionMutationVariables = Exact<{
  input: CreateDatasetVersionInput;
}>;


export type CreateDatasetVersionMutation = { createDatasetVersion: { datasetVersion: { id: string, tag: string } | null, job: { id: string } | null, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export type DatasetVersionQueryVariables = Exact<{
  id: string | number;
}>;


export type DatasetVersionQuery = { node:
    | { tag: string, itemCount: number, identityCount: number, contentHash: string, ledgerRevision: number }
    | Record<PropertyKey, never>
   | null };

export type CreateExportMutationVariables = Exact<{
  input: CreateExportInput;
}>;


export type CreateExportMutation = { createExport: { export: { id: string, job: { id: string } } | null, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export type ExportQueryVariables = Exact<{
  id: string | number;
}>;


export type ExportQuery = { node:
    | { format: ExportFormat, isWithdrawn: boolean, files: Array<{ name: string, url: string, byteSize: number, sha256: string }> }
    | Record<PropertyKey, never>
   | null };

export type StartTrainingRunMutationVariables = Exact<{
  input: StartTrainingRunInput;
}>;


export type StartTrainingRunMutation = { startTrainingRun: { trainingRun: { id: string, job: { id: string } } | null, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export type TrainingRunQueryVariables = Exact<{
  id: string | number;
}>;


export type TrainingRunQuery = { node:
    | { target: TrainingTarget, model: { id: string, number: number, state: ModelState, pairwiseF: { value: number, low: number, high: number } | null, activePairwiseF: { value: number } | null } | null }
    | Record<PropertyKey, never>
   | null };

export type ActivateModelMutationVariables = Exact<{
  input: ActivateModelInput;
}>;


export type ActivateModelMutation = { activateModel: { model: { id: string, state: ModelState } | null, userErrors: Array<
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
      | { code: UserErrorCode, message: string, path: Array<string> | null }
    > } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const QuestionFragmentDoc = new TypedDocumentString(`
    fragment Question on ReviewTask {
  id
  kind
  revision
  priority
  leaseExpiresAt
  panels {
    identity {
      id
      name
    }
    memberCount
    items {
      id
      externalKey
      thumbnailUrl
    }
  }
}
    `, {"fragmentName":"Question"}) as unknown as TypedDocumentString<QuestionFragment, unknown>;
export const ProjectsDocument = new TypedDocumentString(`
    query Projects($first: Int! = 50, $after: String) {
  projects(first: $first, after: $after) {
    edges {
      node {
        id
        name
        ledgerRevision
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `) as unknown as TypedDocumentString<ProjectsQuery, ProjectsQueryVariables>;
export const CreateProjectDocument = new TypedDocumentString(`
    mutation CreateProject($input: CreateProjectInput!) {
  createProject(input: $input) {
    project {
      id
      name
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<CreateProjectMutation, CreateProjectMutationVariables>;
export const CreateUploadDocument = new TypedDocumentString(`
    mutation CreateUpload($input: CreateUploadInput!) {
  createUpload(input: $input) {
    uploadUrl
    stagedUrl
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<CreateUploadMutation, CreateUploadMutationVariables>;
export const StartImportDocument = new TypedDocumentString(`
    mutation StartImport($input: StartImportInput!) {
  startImport(input: $input) {
    job {
      id
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<StartImportMutation, StartImportMutationVariables>;
export const StartClusterRunDocument = new TypedDocumentString(`
    mutation StartClusterRun($input: StartClusterRunInput!) {
  startClusterRun(input: $input) {
    clusterRun {
      id
      job {
        id
      }
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<StartClusterRunMutation, StartClusterRunMutationVariables>;
export const JobDocument = new TypedDocumentString(`
    query Job($id: ID!) {
  job(id: $id) {
    id
    kind
    state
    phase
    completed
    total
    failure
    failedRowCount
    failedRowsUrl
  }
}
    `) as unknown as TypedDocumentString<JobQuery, JobQueryVariables>;
export const ItemsDocument = new TypedDocumentString(`
    query Items($projectId: ID!, $first: Int! = 250, $after: String, $filter: ItemFilter) {
  project(id: $projectId) {
    items(first: $first, after: $after, filter: $filter) {
      edges {
        node {
          id
          externalKey
          thumbnailUrl
          identity {
            id
            name
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `) as unknown as TypedDocumentString<ItemsQuery, ItemsQueryVariables>;
export const JobsDocument = new TypedDocumentString(`
    query Jobs($projectId: ID!, $first: Int! = 20, $after: String, $states: [JobState!], $kind: String) {
  project(id: $projectId) {
    jobs(first: $first, after: $after, states: $states, kind: $kind) {
      edges {
        node {
          id
          kind
          state
          failure
          createdAt
          finishedAt
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `) as unknown as TypedDocumentString<JobsQuery, JobsQueryVariables>;
export const ClusterRunDocument = new TypedDocumentString(`
    query ClusterRun($id: ID!) {
  clusterRun(id: $id) {
    id
    state
    chosenMethod
    explanation
    vertexCount
    clusterCount
    constraintsHonoured
    quality {
      pairwise {
        f
      }
      bcubed {
        f
      }
    }
  }
}
    `) as unknown as TypedDocumentString<ClusterRunQuery, ClusterRunQueryVariables>;
export const ProjectStateDocument = new TypedDocumentString(`
    query ProjectState($id: ID!) {
  project(id: $id) {
    name
    ledgerRevision
    publishedRun {
      id
    }
    activeModel {
      id
      number
    }
    queueSummary {
      kind
      state
      count {
        value
        isExact
      }
    }
  }
}
    `) as unknown as TypedDocumentString<ProjectStateQuery, ProjectStateQueryVariables>;
export const PublishClusterRunDocument = new TypedDocumentString(`
    mutation PublishClusterRun($input: PublishClusterRunInput!) {
  publishClusterRun(input: $input) {
    clusterRun {
      id
      state
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<PublishClusterRunMutation, PublishClusterRunMutationVariables>;
export const ClaimReviewTasksDocument = new TypedDocumentString(`
    mutation ClaimReviewTasks($input: ClaimReviewTasksInput!) {
  claimReviewTasks(input: $input) {
    tasks {
      ...Question
    }
    userErrors {
      code
      message
      path
    }
  }
}
    fragment Question on ReviewTask {
  id
  kind
  revision
  priority
  leaseExpiresAt
  panels {
    identity {
      id
      name
    }
    memberCount
    items {
      id
      externalKey
      thumbnailUrl
    }
  }
}`) as unknown as TypedDocumentString<ClaimReviewTasksMutation, ClaimReviewTasksMutationVariables>;
export const SubmitReviewAnswersDocument = new TypedDocumentString(`
    mutation SubmitReviewAnswers($input: SubmitReviewAnswersInput!) {
  submitReviewAnswers(input: $input) {
    results {
      task {
        id
        state
      }
      decision {
        id
        kind
        ledgerRevision
      }
      userErrors {
        code
        message
        path
      }
    }
    nextTasks {
      ...Question
    }
    userErrors {
      code
      message
      path
    }
  }
}
    fragment Question on ReviewTask {
  id
  kind
  revision
  priority
  leaseExpiresAt
  panels {
    identity {
      id
      name
    }
    memberCount
    items {
      id
      externalKey
      thumbnailUrl
    }
  }
}`) as unknown as TypedDocumentString<SubmitReviewAnswersMutation, SubmitReviewAnswersMutationVariables>;
export const CreateDatasetVersionDocument = new TypedDocumentString(`
    mutation CreateDatasetVersion($input: CreateDatasetVersionInput!) {
  createDatasetVersion(input: $input) {
    datasetVersion {
      id
      tag
    }
    job {
      id
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<CreateDatasetVersionMutation, CreateDatasetVersionMutationVariables>;
export const DatasetVersionDocument = new TypedDocumentString(`
    query DatasetVersion($id: ID!) {
  node(id: $id) {
    ... on DatasetVersion {
      tag
      itemCount
      identityCount
      contentHash
      ledgerRevision
    }
  }
}
    `) as unknown as TypedDocumentString<DatasetVersionQuery, DatasetVersionQueryVariables>;
export const CreateExportDocument = new TypedDocumentString(`
    mutation CreateExport($input: CreateExportInput!) {
  createExport(input: $input) {
    export {
      id
      job {
        id
      }
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<CreateExportMutation, CreateExportMutationVariables>;
export const ExportDocument = new TypedDocumentString(`
    query Export($id: ID!) {
  node(id: $id) {
    ... on Export {
      format
      isWithdrawn
      files {
        name
        url
        byteSize
        sha256
      }
    }
  }
}
    `) as unknown as TypedDocumentString<ExportQuery, ExportQueryVariables>;
export const StartTrainingRunDocument = new TypedDocumentString(`
    mutation StartTrainingRun($input: StartTrainingRunInput!) {
  startTrainingRun(input: $input) {
    trainingRun {
      id
      job {
        id
      }
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<StartTrainingRunMutation, StartTrainingRunMutationVariables>;
export const TrainingRunDocument = new TypedDocumentString(`
    query TrainingRun($id: ID!) {
  node(id: $id) {
    ... on TrainingRun {
      target
      model {
        id
        number
        state
        pairwiseF {
          value
          low
          high
        }
        activePairwiseF {
          value
        }
      }
    }
  }
}
    `) as unknown as TypedDocumentString<TrainingRunQuery, TrainingRunQueryVariables>;
export const ActivateModelDocument = new TypedDocumentString(`
    mutation ActivateModel($input: ActivateModelInput!) {
  activateModel(input: $input) {
    model {
      id
      state
    }
    userErrors {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<ActivateModelMutation, ActivateModelMutationVariables>;