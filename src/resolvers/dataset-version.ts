import type {
  DatasetVersion,
  Export,
  ExportFile,
  ExportFormat,
  IdentityState,
  Job,
  Project,
} from '../generated/prisma/client.ts'
import * as datasets from '../services/dataset-versions.ts'
import * as exports from '../services/exports.ts'
import { downloadUrl } from '../services/media.ts'
import { byId, type PageArgs, pageOf } from './connection.ts'
import type { Context } from './context.ts'
import { decodeId, decodeRoot, encodeId } from './global-id.ts'
import { payload } from './payload.ts'

export const id = (version: DatasetVersion) => encodeId('DatasetVersion', version)
export const versionJob = ({ projectId, jobId }: DatasetVersion, _args: unknown, { load }: Context) =>
  load.job.load({ projectId, id: jobId }) as Promise<Job>

export const exportId = (row: Export) => encodeId('Export', row)

export const versionExports = ({ projectId, id }: DatasetVersion, _args: unknown, { app, viewer }: Context) =>
  exports.listExports(app, viewer, projectId, id)

export async function projectVersions({ id }: Project, args: PageArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  return byId(page, await datasets.listDatasetVersions(app, viewer, id, page))
}

export const exportJob = ({ projectId, jobId }: Export, _args: unknown, { load }: Context) =>
  load.job.load({ projectId, id: jobId }) as Promise<Job>

export const files = ({ projectId, id }: Export, _args: unknown, { load }: Context) =>
  load.filesOfExport.load({ projectId, id })

/** An export that succeeded has a file, of no rows even. */
export async function isWithdrawn({ projectId, id, jobId }: Export, _args: unknown, { load }: Context) {
  const [job, files] = await Promise.all([
    load.job.load({ projectId, id: jobId }),
    load.filesOfExport.load({ projectId, id }),
  ])
  return job?.state === 'SUCCEEDED' && files.length === 0
}

export const fileUrl = ({ fileKey, name }: ExportFile, _args: unknown, { app }: Context) =>
  downloadUrl(app, fileKey, name)

/** GraphQL has no 64-bit integers: exact up to 2^53 bytes. */
export const byteSize = (file: ExportFile) => Number(file.byteSize)

interface CreateVersionInput {
  projectId: string
  identityStates: IdentityState[]
  idempotencyKey: string
}

export const createDatasetVersion = payload(async ({ input }: { input: CreateVersionInput }, { app, viewer }) =>
  datasets.createDatasetVersion(app, viewer, {
    ...input,
    projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
  }),
)

interface CreateExportInput {
  datasetVersionId: string
  format: ExportFormat
  includeEmbeddings: boolean
  idempotencyKey: string
}

export const createExport = payload(async ({ input }: { input: CreateExportInput }, { app, viewer }) => {
  const { projectId, id } = decodeId('DatasetVersion', input.datasetVersionId, 'input', 'datasetVersionId')
  return { export: await exports.createExport(app, viewer, { ...input, projectId, datasetVersionId: id }) }
})
