CREATE EXTENSION IF NOT EXISTS "vector";


-- CreateEnum
CREATE TYPE "Role" AS ENUM ('VIEWER', 'ANNOTATOR', 'REVIEWER', 'ENGINEER', 'ADMIN');

-- CreateEnum
CREATE TYPE "IdentityState" AS ENUM ('PROPOSED', 'CONFIRMED', 'LOCKED', 'MERGED', 'DISSOLVED');

-- CreateEnum
CREATE TYPE "MembershipSource" AS ENUM ('HUMAN', 'IMPLIED', 'MODEL');

-- CreateEnum
CREATE TYPE "ClusterMethod" AS ENUM ('GCN_V', 'GCN_VE', 'INFOMAP', 'FC_ES', 'THRESHOLD', 'K_MEANS', 'HAC', 'DBSCAN', 'MEAN_SHIFT', 'SPECTRAL', 'ARO', 'CHINESE_WHISPERS', 'CDP', 'L_GCN', 'LTC');

-- CreateEnum
CREATE TYPE "ClusterRunState" AS ENUM ('QUEUED', 'RUNNING', 'READY', 'PUBLISHED', 'SUPERSEDED', 'FAILED', 'CANCELED');

-- CreateEnum
CREATE TYPE "ReviewTaskKind" AS ENUM ('EDGE', 'MERGE', 'OUTLIERS', 'ASSIGN');

-- CreateEnum
CREATE TYPE "ReviewTaskState" AS ENUM ('PENDING', 'LEASED', 'ANSWERED', 'DISPUTED', 'APPLIED', 'OBSOLETE');

-- CreateEnum
CREATE TYPE "ReviewVerdict" AS ENUM ('SAME', 'DIFFERENT', 'UNSURE', 'INVALID_SUBJECT');

-- CreateEnum
CREATE TYPE "DecisionKind" AS ENUM ('MERGE', 'SPLIT', 'MOVE', 'CONFIRM', 'EXCLUDE', 'RENAME', 'LOCK', 'REVERT');

-- CreateEnum
CREATE TYPE "ConstraintKind" AS ENUM ('MUST_LINK', 'CANNOT_LINK', 'EXCLUDED');

-- CreateEnum
CREATE TYPE "ModelState" AS ENUM ('CANDIDATE', 'EVALUATED', 'ACTIVE', 'ARCHIVED', 'REJECTED');

-- CreateEnum
CREATE TYPE "TrainingTarget" AS ENUM ('CLUSTERING', 'EMBEDDING');

-- CreateEnum
CREATE TYPE "ExportFormat" AS ENUM ('JSONL', 'CSV', 'PARQUET', 'IMAGE_FOLDER', 'COCO', 'LEARN_TO_CLUSTER', 'FIFTYONE');

-- CreateEnum
CREATE TYPE "JobState" AS ENUM ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELING', 'CANCELED');

-- CreateEnum
CREATE TYPE "ImportConflict" AS ENUM ('REJECT', 'SKIP', 'REPLACE');

-- CreateTable
CREATE TABLE "User" (
    "id" UUID NOT NULL,
    "displayName" TEXT NOT NULL,
    "isServiceAccount" BOOLEAN NOT NULL DEFAULT false,
    "externalSubject" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "PersonalToken" (
    "id" UUID NOT NULL,
    "userId" UUID NOT NULL,
    "label" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "expiresAt" TIMESTAMPTZ(3),
    "revokedAt" TIMESTAMPTZ(3),
    "lastUsedAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "PersonalToken_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Membership" (
    "projectId" UUID NOT NULL,
    "userId" UUID NOT NULL,
    "role" "Role" NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Membership_pkey" PRIMARY KEY ("projectId","userId")
);

-- CreateTable
CREATE TABLE "ApiKey" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "userId" UUID NOT NULL,
    "label" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "role" "Role" NOT NULL,
    "expiresAt" TIMESTAMPTZ(3),
    "revokedAt" TIMESTAMPTZ(3),
    "lastUsedAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ApiKey_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "AuditEvent" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "action" TEXT NOT NULL,
    "actorId" UUID,
    "targetType" TEXT,
    "targetId" TEXT,
    "requestId" TEXT NOT NULL,
    "detail" JSONB,
    "occurredAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "AuditEvent_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "IdempotencyRecord" (
    "userId" UUID NOT NULL,
    "operation" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "bodyHash" BYTEA NOT NULL,
    "response" JSONB NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "IdempotencyRecord_pkey" PRIMARY KEY ("userId","operation","key")
);

-- CreateTable
CREATE TABLE "Project" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "embeddingDimension" INTEGER NOT NULL,
    "ledgerRevision" INTEGER NOT NULL DEFAULT 0,
    "activeSpaceId" UUID NOT NULL,
    "publishedRunId" UUID,
    "activeModelId" UUID,
    "settings" JSONB NOT NULL DEFAULT '{}',
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Project_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "EmbeddingSpace" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "dimension" INTEGER NOT NULL,
    "embedderId" TEXT NOT NULL,
    "modelVersionId" UUID,
    "indexedAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "EmbeddingSpace_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "Item" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "externalKey" TEXT NOT NULL,
    "imageKey" TEXT,
    "width" INTEGER NOT NULL DEFAULT 0,
    "height" INTEGER NOT NULL DEFAULT 0,
    "box" JSONB,
    "metadata" JSONB,
    "erasedAt" TIMESTAMPTZ(3),
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Item_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "Embedding" (
    "projectId" UUID NOT NULL,
    "spaceId" UUID NOT NULL,
    "itemId" UUID NOT NULL,
    "vector" vector NOT NULL,

    CONSTRAINT "Embedding_pkey" PRIMARY KEY ("projectId","spaceId","itemId")
);

-- CreateTable
CREATE TABLE "Identity" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "name" TEXT,
    "state" "IdentityState" NOT NULL DEFAULT 'PROPOSED',
    "mergedIntoId" UUID,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "memberCount" INTEGER NOT NULL DEFAULT 0,
    "coverItemId" UUID,
    "risk" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Identity_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "IdentityMember" (
    "projectId" UUID NOT NULL,
    "itemId" UUID NOT NULL,
    "identityId" UUID NOT NULL,
    "source" "MembershipSource" NOT NULL,
    "risk" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "confidence" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "addedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "IdentityMember_pkey" PRIMARY KEY ("projectId","itemId")
);

-- CreateTable
CREATE TABLE "MembershipEvent" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "ledgerRevision" INTEGER NOT NULL,
    "itemId" UUID NOT NULL,
    "fromIdentityId" UUID,
    "toIdentityId" UUID,
    "fromSource" "MembershipSource",
    "toSource" "MembershipSource",
    "decisionId" UUID,
    "runId" UUID,

    CONSTRAINT "MembershipEvent_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "Decision" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "ledgerRevision" INTEGER NOT NULL,
    "kind" "DecisionKind" NOT NULL,
    "actorId" UUID NOT NULL,
    "comment" TEXT,
    "payload" JSONB NOT NULL,
    "itemCount" INTEGER NOT NULL,
    "taskId" UUID,
    "revertsId" UUID,
    "revertedById" UUID,
    "requestId" TEXT NOT NULL,
    "decidedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Decision_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "DecisionIdentity" (
    "projectId" UUID NOT NULL,
    "decisionId" UUID NOT NULL,
    "identityId" UUID NOT NULL,
    "revisionBefore" INTEGER,
    "revisionAfter" INTEGER NOT NULL,
    "stateBefore" "IdentityState",
    "stateAfter" "IdentityState" NOT NULL,
    "nameBefore" TEXT,
    "nameAfter" TEXT,

    CONSTRAINT "DecisionIdentity_pkey" PRIMARY KEY ("projectId","decisionId","identityId")
);

-- CreateTable
CREATE TABLE "Constraint" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "kind" "ConstraintKind" NOT NULL,
    "leftItemId" UUID NOT NULL,
    "rightItemId" UUID,
    "decisionId" UUID NOT NULL,
    "revokedById" UUID,

    CONSTRAINT "Constraint_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "ClusterRun" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "state" "ClusterRunState" NOT NULL DEFAULT 'QUEUED',
    "jobId" UUID NOT NULL,
    "method" "ClusterMethod" NOT NULL,
    "parameters" JSONB NOT NULL DEFAULT '{}',
    "seed" INTEGER NOT NULL DEFAULT 42,
    "incremental" BOOLEAN NOT NULL DEFAULT false,
    "modelVersionId" UUID,
    "spaceId" UUID NOT NULL,
    "parentId" UUID,
    "ledgerRevision" INTEGER NOT NULL DEFAULT 0,
    "vertexCount" INTEGER NOT NULL DEFAULT 0,
    "clusterCount" INTEGER NOT NULL DEFAULT 0,
    "constraintsHonoured" INTEGER NOT NULL DEFAULT 0,
    "chosen" JSONB,
    "backend" TEXT,
    "phases" JSONB NOT NULL DEFAULT '[]',
    "confidenceHistogram" INTEGER[],
    "quality" JSONB,
    "failure" TEXT,
    "createdById" UUID NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "publishedAt" TIMESTAMPTZ(3),

    CONSTRAINT "ClusterRun_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "Cluster" (
    "projectId" UUID NOT NULL,
    "runId" UUID NOT NULL,
    "index" INTEGER NOT NULL,
    "size" INTEGER NOT NULL,
    "rootIndex" INTEGER NOT NULL,
    "identityId" UUID,
    "risk" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "Cluster_pkey" PRIMARY KEY ("projectId","runId","index")
);

-- CreateTable
CREATE TABLE "Vertex" (
    "projectId" UUID NOT NULL,
    "runId" UUID NOT NULL,
    "index" INTEGER NOT NULL,
    "itemId" UUID NOT NULL,
    "clusterIndex" INTEGER NOT NULL,
    "confidence" REAL NOT NULL,
    "parentIndex" INTEGER,
    "parentSimilarity" REAL,
    "parentProbability" REAL,
    "subtreeSize" INTEGER NOT NULL,
    "impact" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "Vertex_pkey" PRIMARY KEY ("projectId","runId","index")
);

-- CreateTable
CREATE TABLE "MergeEdge" (
    "projectId" UUID NOT NULL,
    "runId" UUID NOT NULL,
    "leftCluster" INTEGER NOT NULL,
    "rightCluster" INTEGER NOT NULL,
    "childIndex" INTEGER NOT NULL,
    "parentIndex" INTEGER NOT NULL,
    "similarity" REAL NOT NULL,
    "probability" REAL NOT NULL,
    "priority" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "MergeEdge_pkey" PRIMARY KEY ("projectId","runId","leftCluster","rightCluster")
);

-- CreateTable
CREATE TABLE "ReviewTask" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "kind" "ReviewTaskKind" NOT NULL,
    "state" "ReviewTaskState" NOT NULL DEFAULT 'PENDING',
    "priority" DOUBLE PRECISION NOT NULL,
    "runId" UUID NOT NULL,
    "questionKey" TEXT NOT NULL,
    "leftItemId" UUID,
    "rightItemId" UUID,
    "leftIdentityId" UUID,
    "rightIdentityId" UUID,
    "childIndex" INTEGER,
    "parentIndex" INTEGER,
    "similarity" REAL,
    "probability" REAL NOT NULL,
    "panels" JSONB NOT NULL,
    "isAudit" BOOLEAN NOT NULL DEFAULT false,
    "goldVerdict" "ReviewVerdict",
    "requiredAnswers" INTEGER NOT NULL DEFAULT 1,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "assigneeId" UUID,
    "leaseExpiresAt" TIMESTAMPTZ(3),
    "decisionId" UUID,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ReviewTask_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "ReviewAnswer" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "taskId" UUID NOT NULL,
    "actorId" UUID NOT NULL,
    "verdict" "ReviewVerdict" NOT NULL,
    "outlierItemIds" UUID[],
    "identityId" UUID,
    "contradictsModel" BOOLEAN NOT NULL,
    "durationMs" INTEGER NOT NULL,
    "answeredAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ReviewAnswer_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "CalibrationReport" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "targetPrecision" DOUBLE PRECISION NOT NULL,
    "delta" DOUBLE PRECISION NOT NULL,
    "threshold" DOUBLE PRECISION,
    "precisionLowerBound" DOUBLE PRECISION,
    "labelsUsed" INTEGER NOT NULL,
    "autoAcceptedShare" DOUBLE PRECISION NOT NULL,
    "labelsNeeded" INTEGER,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "CalibrationReport_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "TrainingRun" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "target" "TrainingTarget" NOT NULL,
    "jobId" UUID NOT NULL,
    "datasetVersionId" UUID NOT NULL,
    "fromModelVersionId" UUID,
    "modelVersionId" UUID,
    "seed" INTEGER NOT NULL DEFAULT 42,
    "lossCurve" JSONB NOT NULL DEFAULT '[]',
    "report" JSONB,
    "createdById" UUID NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "TrainingRun_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "ModelVersion" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "state" "ModelState" NOT NULL DEFAULT 'CANDIDATE',
    "target" "TrainingTarget" NOT NULL,
    "trainingRunId" UUID,
    "weightsKey" TEXT NOT NULL,
    "embeddingDimension" INTEGER NOT NULL,
    "embedderId" TEXT NOT NULL,
    "holdout" JSONB,
    "summary" JSONB,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ModelVersion_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "DatasetVersion" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "tag" TEXT NOT NULL,
    "ledgerRevision" INTEGER NOT NULL,
    "identityStates" "IdentityState"[],
    "spaceId" UUID NOT NULL,
    "jobId" UUID NOT NULL,
    "contentHash" TEXT NOT NULL DEFAULT '',
    "manifestKey" TEXT,
    "itemCount" INTEGER NOT NULL DEFAULT 0,
    "identityCount" INTEGER NOT NULL DEFAULT 0,
    "createdById" UUID NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "DatasetVersion_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "Export" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "datasetVersionId" UUID NOT NULL,
    "format" "ExportFormat" NOT NULL,
    "includeEmbeddings" BOOLEAN NOT NULL DEFAULT false,
    "jobId" UUID NOT NULL,
    "createdById" UUID NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Export_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "ExportFile" (
    "projectId" UUID NOT NULL,
    "exportId" UUID NOT NULL,
    "part" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "fileKey" TEXT NOT NULL,
    "byteSize" BIGINT NOT NULL,
    "sha256" TEXT NOT NULL,

    CONSTRAINT "ExportFile_pkey" PRIMARY KEY ("projectId","exportId","part")
);

-- CreateTable
CREATE TABLE "Job" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "state" "JobState" NOT NULL DEFAULT 'QUEUED',
    "phase" TEXT,
    "completed" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "total" DOUBLE PRECISION,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "failedRowCount" INTEGER NOT NULL DEFAULT 0,
    "failedRowsFileKey" TEXT,
    "failure" TEXT,
    "payload" JSONB NOT NULL DEFAULT '{}',
    "checkpoint" JSONB,
    "createdById" UUID,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" TIMESTAMPTZ(3),
    "phaseStartedAt" TIMESTAMPTZ(3),
    "heartbeatAt" TIMESTAMPTZ(3),
    "finishedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Job_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "Upload" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "fileName" TEXT NOT NULL,
    "byteSize" BIGINT NOT NULL,
    "fileKey" TEXT,
    "createdById" UUID NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Upload_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "WebhookEndpoint" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "url" TEXT NOT NULL,
    "events" TEXT[],
    "secret" TEXT NOT NULL,
    "deadLetterCount" INTEGER NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "WebhookEndpoint_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateTable
CREATE TABLE "WebhookDelivery" (
    "projectId" UUID NOT NULL,
    "id" UUID NOT NULL,
    "endpointId" UUID NOT NULL,
    "event" TEXT NOT NULL,
    "body" JSONB NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "nextAttemptAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deliveredAt" TIMESTAMPTZ(3),
    "deadAt" TIMESTAMPTZ(3),
    "lastError" TEXT,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "WebhookDelivery_pkey" PRIMARY KEY ("projectId","id")
);

-- CreateIndex
CREATE UNIQUE INDEX "User_externalSubject_key" ON "User"("externalSubject");

-- CreateIndex
CREATE INDEX "PersonalToken_userId_idx" ON "PersonalToken"("userId");

-- CreateIndex
CREATE INDEX "Membership_userId_idx" ON "Membership"("userId");

-- CreateIndex
CREATE INDEX "IdempotencyRecord_createdAt_idx" ON "IdempotencyRecord"("createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "EmbeddingSpace_projectId_number_key" ON "EmbeddingSpace"("projectId", "number");

-- CreateIndex
CREATE INDEX "Item_projectId_imageKey_idx" ON "Item"("projectId", "imageKey");

-- CreateIndex
CREATE UNIQUE INDEX "Item_projectId_externalKey_key" ON "Item"("projectId", "externalKey");

-- CreateIndex
CREATE INDEX "Identity_projectId_state_risk_id_idx" ON "Identity"("projectId", "state", "risk" DESC, "id");

-- CreateIndex
CREATE INDEX "Identity_projectId_state_memberCount_id_idx" ON "Identity"("projectId", "state", "memberCount" DESC, "id");

-- CreateIndex
CREATE INDEX "Identity_projectId_updatedAt_id_idx" ON "Identity"("projectId", "updatedAt" DESC, "id");

-- CreateIndex
CREATE INDEX "Identity_projectId_name_idx" ON "Identity"("projectId", "name");

-- CreateIndex
CREATE INDEX "IdentityMember_projectId_identityId_risk_itemId_idx" ON "IdentityMember"("projectId", "identityId", "risk" DESC, "itemId");

-- CreateIndex
CREATE INDEX "MembershipEvent_projectId_itemId_ledgerRevision_idx" ON "MembershipEvent"("projectId", "itemId", "ledgerRevision");

-- CreateIndex
CREATE INDEX "MembershipEvent_projectId_toIdentityId_ledgerRevision_idx" ON "MembershipEvent"("projectId", "toIdentityId", "ledgerRevision");

-- CreateIndex
CREATE INDEX "MembershipEvent_projectId_fromIdentityId_ledgerRevision_idx" ON "MembershipEvent"("projectId", "fromIdentityId", "ledgerRevision");

-- CreateIndex
CREATE INDEX "MembershipEvent_projectId_decisionId_idx" ON "MembershipEvent"("projectId", "decisionId");

-- CreateIndex
CREATE UNIQUE INDEX "Decision_projectId_ledgerRevision_key" ON "Decision"("projectId", "ledgerRevision");

-- CreateIndex
CREATE INDEX "DecisionIdentity_projectId_identityId_idx" ON "DecisionIdentity"("projectId", "identityId");

-- CreateIndex
CREATE INDEX "Constraint_projectId_revokedById_id_idx" ON "Constraint"("projectId", "revokedById", "id");

-- CreateIndex
CREATE INDEX "Constraint_projectId_leftItemId_idx" ON "Constraint"("projectId", "leftItemId");

-- CreateIndex
CREATE INDEX "Constraint_projectId_rightItemId_idx" ON "Constraint"("projectId", "rightItemId");

-- CreateIndex
CREATE INDEX "Constraint_projectId_decisionId_idx" ON "Constraint"("projectId", "decisionId");

-- CreateIndex
CREATE INDEX "Cluster_projectId_runId_risk_index_idx" ON "Cluster"("projectId", "runId", "risk" DESC, "index");

-- CreateIndex
CREATE INDEX "Cluster_projectId_runId_identityId_idx" ON "Cluster"("projectId", "runId", "identityId");

-- CreateIndex
CREATE INDEX "Vertex_projectId_runId_itemId_idx" ON "Vertex"("projectId", "runId", "itemId");

-- CreateIndex
CREATE INDEX "Vertex_projectId_runId_confidence_index_idx" ON "Vertex"("projectId", "runId", "confidence", "index");

-- CreateIndex
CREATE INDEX "Vertex_projectId_runId_impact_index_idx" ON "Vertex"("projectId", "runId", "impact" DESC, "index");

-- CreateIndex
CREATE INDEX "Vertex_projectId_runId_clusterIndex_index_idx" ON "Vertex"("projectId", "runId", "clusterIndex", "index");

-- CreateIndex
CREATE INDEX "Vertex_projectId_runId_parentIndex_idx" ON "Vertex"("projectId", "runId", "parentIndex");

-- CreateIndex
CREATE INDEX "MergeEdge_projectId_runId_rightCluster_idx" ON "MergeEdge"("projectId", "runId", "rightCluster");

-- CreateIndex
CREATE INDEX "MergeEdge_projectId_runId_priority_leftCluster_rightCluster_idx" ON "MergeEdge"("projectId", "runId", "priority" DESC, "leftCluster", "rightCluster");

-- CreateIndex
CREATE INDEX "ReviewTask_projectId_state_priority_id_idx" ON "ReviewTask"("projectId", "state", "priority" DESC, "id");

-- CreateIndex
CREATE INDEX "ReviewTask_projectId_assigneeId_state_idx" ON "ReviewTask"("projectId", "assigneeId", "state");

-- CreateIndex
CREATE INDEX "ReviewTask_projectId_leftIdentityId_idx" ON "ReviewTask"("projectId", "leftIdentityId");

-- CreateIndex
CREATE INDEX "ReviewTask_projectId_rightIdentityId_idx" ON "ReviewTask"("projectId", "rightIdentityId");

-- CreateIndex
CREATE UNIQUE INDEX "ReviewTask_projectId_questionKey_key" ON "ReviewTask"("projectId", "questionKey");

-- CreateIndex
CREATE INDEX "ReviewAnswer_projectId_actorId_answeredAt_idx" ON "ReviewAnswer"("projectId", "actorId", "answeredAt");

-- CreateIndex
CREATE INDEX "ReviewAnswer_projectId_answeredAt_idx" ON "ReviewAnswer"("projectId", "answeredAt");

-- CreateIndex
CREATE UNIQUE INDEX "ReviewAnswer_projectId_taskId_actorId_key" ON "ReviewAnswer"("projectId", "taskId", "actorId");

-- CreateIndex
CREATE UNIQUE INDEX "ModelVersion_projectId_number_key" ON "ModelVersion"("projectId", "number");

-- CreateIndex
CREATE UNIQUE INDEX "DatasetVersion_projectId_tag_key" ON "DatasetVersion"("projectId", "tag");

-- CreateIndex
CREATE INDEX "Export_projectId_datasetVersionId_idx" ON "Export"("projectId", "datasetVersionId");

-- CreateIndex
CREATE INDEX "Job_projectId_state_idx" ON "Job"("projectId", "state");

-- CreateIndex
CREATE INDEX "WebhookDelivery_projectId_endpointId_deadAt_idx" ON "WebhookDelivery"("projectId", "endpointId", "deadAt");

-- AddForeignKey
ALTER TABLE "Membership" ADD CONSTRAINT "Membership_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ApiKey" ADD CONSTRAINT "ApiKey_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AuditEvent" ADD CONSTRAINT "AuditEvent_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "EmbeddingSpace" ADD CONSTRAINT "EmbeddingSpace_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Item" ADD CONSTRAINT "Item_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Identity" ADD CONSTRAINT "Identity_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Decision" ADD CONSTRAINT "Decision_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ClusterRun" ADD CONSTRAINT "ClusterRun_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ReviewTask" ADD CONSTRAINT "ReviewTask_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "CalibrationReport" ADD CONSTRAINT "CalibrationReport_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "TrainingRun" ADD CONSTRAINT "TrainingRun_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ModelVersion" ADD CONSTRAINT "ModelVersion_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "DatasetVersion" ADD CONSTRAINT "DatasetVersion_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Export" ADD CONSTRAINT "Export_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Job" ADD CONSTRAINT "Job_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Upload" ADD CONSTRAINT "Upload_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "WebhookEndpoint" ADD CONSTRAINT "WebhookEndpoint_projectId_fkey" FOREIGN KEY ("projectId") REFERENCES "Project"("id") ON DELETE CASCADE ON UPDATE CASCADE;


-- Written by hand: what the Prisma schema cannot say.

-- What an enum value implies about the other columns.
ALTER TABLE "Identity" ADD CONSTRAINT "Identity_merged_has_target" CHECK (("state" = 'MERGED') = ("mergedIntoId" IS NOT NULL));
ALTER TABLE "Constraint" ADD CONSTRAINT "Constraint_ends" CHECK (("kind" = 'EXCLUDED') = ("rightItemId" IS NULL));
ALTER TABLE "Project" ADD CONSTRAINT "Project_dimension" CHECK ("embeddingDimension" BETWEEN 2 AND 2000);

-- Vectors up to 2000 dimensions stay in line with their row: similarity search then reads one page, not two.
ALTER TABLE "Embedding" ALTER COLUMN "vector" SET STORAGE PLAIN;
