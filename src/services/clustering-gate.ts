import {
  type ClusteringModel,
  decodeModel,
  type EvaluationOutput,
  type Labels,
  type Matrix,
  stackRows,
} from '../engine/index.ts'
import type { DatasetVersion, EmbeddingSpace } from '../generated/prisma/client.ts'
import type { App } from './app.ts'
import { readManifestRows } from './dataset-manifest.ts'
import { readEmbeddings } from './embedding-matrix.ts'
import type { EngineControl } from './engine-port.ts'
import { readAll } from './media.ts'
import { isHeldOut } from './model-versions.ts'

/** Other items that keep the hold-out company while it is measured: as in a run, within what takes a minute. Training draws from them. */
const MOST_COMPANIONS = 20_000

/** The labelled items of a frozen version with their vectors. */
export interface LabelledVersion {
  readonly itemIds: readonly string[]
  readonly matrix: Matrix
  readonly labels: Labels
  readonly identityCount: number
  /** Labels of the frozen hold-out. */
  readonly heldOut: ReadonlySet<number>
}

export async function readLabelledVersion(
  app: App,
  version: DatasetVersion,
  space: EmbeddingSpace,
  onRows: (read: number, total: number) => void,
): Promise<LabelledVersion> {
  const identityOf = new Map<string, string>()
  for await (const { itemId, identityId } of readManifestRows(app, version)) identityOf.set(itemId, identityId)
  const { itemIds, matrix } = await readEmbeddings(app, space, [...identityOf.keys()], onRows)
  const numbers = new Map<string, number>()
  const heldOut = new Set<number>()
  const labels = Int32Array.from(itemIds, (itemId) => {
    const identityId = identityOf.get(itemId) as string
    let number = numbers.get(identityId)
    if (number === undefined) {
      number = numbers.size
      numbers.set(identityId, number)
      if (isHeldOut(identityId)) heldOut.add(number)
    }
    return number
  })
  return { itemIds, matrix, labels, identityCount: numbers.size, heldOut }
}

/** Labelled rows, then other items of the project, whose label is -1. */
export interface RowsInCompany {
  readonly features: Matrix
  readonly labels: Labels
}

/**
 * The labelled items among the other ones of the project. Alone they would be clustered at a density that no run ever meets, and what
 * merges too much would pass for the best: docs/retraining.md has the figures.
 */
export async function withCompany(
  app: App,
  space: EmbeddingSpace,
  { itemIds, matrix, labels }: LabelledVersion,
): Promise<RowsInCompany> {
  const { projectId } = space
  const others = await app.prisma.$queryRaw<{ id: string }[]>`
    /* withCompany */ SELECT e."itemId" AS id FROM "Embedding" e
    WHERE e."projectId" = ${projectId}::uuid AND e."spaceId" = ${space.id}::uuid
      AND NOT (e."itemId" = ANY(${[...itemIds]}::uuid[]))
      AND NOT EXISTS (SELECT 1 FROM "Constraint" x WHERE x."projectId" = e."projectId" AND x."leftItemId" = e."itemId"
        AND x."kind" = 'EXCLUDED' AND x."revokedById" IS NULL)
    ORDER BY hashtext(e."itemId"::text), e."itemId" LIMIT ${MOST_COMPANIONS}`
  const { matrix: company } = await readEmbeddings(
    app,
    space,
    others.map(({ id }) => id),
  )
  const features = stackRows(matrix, company)
  return {
    features,
    labels: Int32Array.from({ length: features.rows }, (_, row) => labels[row] ?? -1),
  }
}

export async function findClusteringModel(
  app: App,
  projectId: string,
  id: string | null,
): Promise<ClusteringModel | undefined> {
  if (!id) return undefined
  const row = await app.prisma.modelVersion.findUnique({ where: { projectId_id: { projectId, id } } })
  return row ? decodeModel(await readAll(app, row.weightsKey)) : undefined
}

/**
 * How a model and what runs use now, the active model or none, do on the frozen hold-out among all other rows, whose labels are left out;
 * null where too little is held out.
 */
export async function measureClusteringModel(
  app: App,
  space: EmbeddingSpace,
  { heldOut }: LabelledVersion,
  { features, labels }: RowsInCompany,
  model: ClusteringModel,
  control: EngineControl,
): Promise<{ holdout: EvaluationOutput | null; activeHoldout: EvaluationOutput | null }> {
  if (heldOut.size < 2) return { holdout: null, activeHoldout: null }
  const project = await app.prisma.project.findUniqueOrThrow({ where: { id: space.projectId } })
  const active = await findClusteringModel(app, space.projectId, project.activeModelId)
  const measured = { features, labels: labels.map((label) => (heldOut.has(label) ? label : -1)) }
  const measure = (by?: ClusteringModel) => app.engine.evaluate({ model: by, ...measured }, control)
  const holdout = await measure(model)
  // A model of another embedder can not be measured on these vectors, and so can not be lost to: runs here do without one.
  const isComparable = active?.embedderId === space.embedderId && active.embeddingDimension === space.dimension
  return { holdout, activeHoldout: await measure(isComparable ? active : undefined) }
}
