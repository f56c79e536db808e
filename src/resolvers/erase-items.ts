import * as erase from '../services/erase-items.ts'
import { decodeIds, decodeRoot } from './global-id.ts'
import { payload } from './payload.ts'

export const eraseItems = payload(
  async ({ input }: { input: erase.EraseItems }, { app, viewer }) => {
    const projectId = decodeRoot('Project', input.projectId, 'input', 'projectId')
    const itemIds = [...new Set(decodeIds('Item', projectId, input.itemIds, 'input', 'itemIds'))].sort()
    return erase.eraseItems(app, viewer, { ...input, projectId, itemIds })
  },
  { items: [] },
)
