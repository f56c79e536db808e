import type { Identity, Item, Project } from '../generated/prisma/client.ts'
import { DomainError, notFound } from '../services/errors.ts'
import * as imports from '../services/imports.ts'
import * as items from '../services/items.ts'
import * as media from '../services/media.ts'
import { searchByPicture } from '../services/picture-search.ts'
import type { CropBox } from '../services/ports.ts'
import * as similarity from '../services/similarity.ts'
import * as uploads from '../services/uploads.ts'
import { type PageArgs, pageOf, toConnection } from './connection.ts'
import type { Context } from './context.ts'
import { decodeId, decodeRoot, encodeId } from './global-id.ts'
import { payload } from './payload.ts'

export const id = (item: Item) => encodeId('Item', item)

export const thumbnailUrl = (item: Item, { size }: { size: number }, { app }: Context) =>
  media.thumbnailUrl(app, item, size)

export const imageUrl = (item: Item, _args: unknown, { app }: Context) => media.imageUrl(app, item)

export const box = (item: Item) => item.box as CropBox | null

export const identity = async ({ projectId, id }: Item, _args: unknown, { load }: Context): Promise<Identity | null> =>
  load.identityOfItem.load({ projectId, id })

export const nearDuplicates = (
  { projectId, id }: Item,
  { minSimilarity, first }: { minSimilarity: number; first: number },
  { load }: Context,
) => load.similar({ projectId, first, minSimilarity }).load(id)

export const similar = (
  { projectId, id }: Item,
  { first, excludeIdentityId }: { first: number; excludeIdentityId?: string | null },
  { load }: Context,
) => {
  const excluded = excludeIdentityId ? decodeId('Identity', excludeIdentityId, 'excludeIdentityId').id : undefined
  return load.similar({ projectId, first, excludeIdentityId: excluded }).load(id)
}

type ItemsArgs = PageArgs & { filter?: items.ItemFilter | null }

export async function projectItems({ id }: Project, args: ItemsArgs, { app, viewer }: Context) {
  const page = pageOf(args)
  const filter = args.filter ?? {}
  const found = await items.listItems(app, viewer, id, page, filter)
  return {
    ...toConnection(
      page,
      found,
      (item) => [item.id],
      (node) => ({ node }),
    ),
    totalCount: ({ cap }: { cap: number }) => items.countItems(app, viewer, id, filter, cap),
  }
}

/** A raw vector or a picture is searched in the project named, or in the one of the key. */
export function similaritySearch(
  _root: unknown,
  args: {
    input: { itemId?: string | null; vector?: number[] | null; stagedUrl?: string | null }
    first: number
    projectId?: string | null
  },
  { app, viewer }: Context,
) {
  const { input, first, projectId } = args
  const project = projectId ? decodeRoot('Project', projectId, 'projectId') : viewer.keyScope?.projectId
  if (input.itemId) {
    const item = decodeId('Item', input.itemId, 'input', 'itemId')
    if (project && item.projectId !== project) throw notFound('item', item.id)
    return similarity.searchByItem(app, viewer, item, first)
  }
  if (!project)
    throw new DomainError('INVALID', 'projectId must be given with a personal token', { path: ['projectId'] })
  if (input.stagedUrl) return searchByPicture(app, viewer, project, input.stagedUrl, first)
  return similarity.searchByVector(app, viewer, project, input.vector as number[], first)
}

export const createUpload = payload(
  async ({ input }: { input: { projectId: string; fileName: string; byteSize: number } }, { app, viewer }) =>
    uploads.createUpload(app, viewer, {
      ...input,
      projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
    }),
)

export const startImport = payload(async ({ input }: { input: imports.StartImport }, { app, viewer }) => ({
  job: await imports.startImport(app, viewer, {
    ...input,
    projectId: decodeRoot('Project', input.projectId, 'input', 'projectId'),
  }),
}))
