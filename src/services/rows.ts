import { Prisma, type PrismaClient } from '../generated/prisma/client.ts'
import type { App, Tx } from './app.ts'
import type { Ref, RunRef } from './id.ts'

/** Models whose rows are found by (projectId, id). */
export type RefModel =
  | 'apiKey'
  | 'auditEvent'
  | 'item'
  | 'identity'
  | 'decision'
  | 'constraint'
  | 'clusterRun'
  | 'reviewTask'
  | 'calibrationReport'
  | 'trainingRun'
  | 'modelVersion'
  | 'datasetVersion'
  | 'embeddingSpace'
  | 'export'
  | 'job'
  | 'webhookEndpoint'
  | 'webhookDelivery'

function groupBy<Value>(values: readonly Value[], keyOf: (value: Value) => string): Map<string, Value[]> {
  const groups = new Map<string, Value[]>()
  for (const value of values) {
    const group = groups.get(keyOf(value))
    if (group) group.push(value)
    else groups.set(keyOf(value), [value])
  }
  return groups
}

/** Tables are named after their models. */
const tableOf = (model: string): Prisma.Sql => Prisma.raw(`"${model[0]?.toUpperCase()}${model.slice(1)}"`)

type Found<Model extends RefModel> = NonNullable<Awaited<ReturnType<PrismaClient[Model]['findFirst']>>>

/** Rows in the order of `refs`, null where there is none: one statement a project. */
export async function findRows<Model extends RefModel>(
  { prisma }: { prisma: App['prisma'] | Tx },
  model: Model,
  refs: readonly Ref[],
): Promise<(Found<Model> | null)[]> {
  const byProject = groupBy(refs, (ref) => ref.projectId)
  const found = new Map<string, Found<Model>>()
  const table = tableOf(model)
  for (const [projectId, ofProject] of byProject) {
    // One array, whatever its length: a list of parameters would be another statement for each number of rows.
    const rows = await prisma.$queryRaw<(Found<Model> & Ref)[]>`
      /* findRows */ SELECT * FROM ${table} WHERE "projectId" = ${projectId}::uuid
      AND "id" = ANY(${ofProject.map((ref) => ref.id)}::uuid[])`
    for (const row of rows) found.set(`${projectId}/${row.id}`, row)
  }
  return refs.map((ref) => found.get(`${ref.projectId}/${ref.id}`) ?? null)
}

type RunRow<Model extends 'cluster' | 'vertex'> = NonNullable<Awaited<ReturnType<PrismaClient[Model]['findFirst']>>>

/** Clusters or vertices in the order of `refs`, null where there is none: one statement a run. */
export async function findRunRows<Model extends 'cluster' | 'vertex'>(
  { prisma }: { prisma: App['prisma'] | Tx },
  model: Model,
  refs: readonly RunRef[],
): Promise<(RunRow<Model> | null)[]> {
  const byRun = groupBy(refs, (ref) => `${ref.projectId}/${ref.runId}`)
  const found = new Map<string, RunRow<Model>>()
  const table = tableOf(model)
  for (const [run, ofRun] of byRun) {
    const [projectId, runId] = run.split('/')
    const rows = await prisma.$queryRaw<RunRow<Model>[]>`
      /* findRunRows */ SELECT * FROM ${table} WHERE "projectId" = ${projectId}::uuid AND "runId" = ${runId}::uuid
      AND "index" = ANY(${ofRun.map((ref) => ref.index)}::int[])`
    for (const row of rows) found.set(`${run}/${row.index}`, row)
  }
  return refs.map((ref) => found.get(`${ref.projectId}/${ref.runId}/${ref.index}`) ?? null)
}
