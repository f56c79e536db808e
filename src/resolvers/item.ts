import type { Identity, Item, Project } from '../generated/prisma/client.ts'
import * as items from '../services/items.ts'
import * as media from '../services/media.ts'
import * as similarity from '../services/similarity.ts'
import { type PageArgs, pageOf, toConnection } from './connection.ts'
import type { Context } from './context.ts'
import { decodeId, encodeId } from './global-id.ts'

export const id = (item: Item) => encodeId('Item', item)

export const thumbnailUrl = (item: Item, { size }: { size: number }, { app }: Context) =>
  media.thumbnailUrl(app, item, size)

export const imageUrl = (item: Item, _args: unknown, { app }: Context) => media.imageUrl(app, item)

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

export const similarItem = ({ projectId, itemId }: similarity.SimilarItem, _args: unknown, { load }: Context) =>
  load.item.load({ projectId, id: itemId }) as Promise<Item>

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

const SEARCH_SIZE = 50

/** A raw vector names no project: it is searched in the one project of the key. */
export function similaritySearch(
  _root: unknown,
  { input }: { input: { itemId?: string | null; vector?: number[] | null } },
  { app, viewer }: Context,
) {
  return input.itemId
    ? similarity.searchByItem(app, viewer, decodeId('Item', input.itemId, 'input', 'itemId'), SEARCH_SIZE)
    : similarity.searchByVectorOfKey(app, viewer, input.vector as number[], SEARCH_SIZE)
}
