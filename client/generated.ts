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