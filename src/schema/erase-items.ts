import * as resolve from '../resolvers/erase-items.ts'
import { extendType, inputArg, inputObjectType, payloadType } from './nexus.ts'

export const eraseItemsTypes = [
  extendType({
    type: 'Item',
    definition(t) {
      t.field('erasedAt', {
        type: 'DateTime',
        description: 'When it was erased for privacy; what is left is a tombstone.',
      })
    },
  }),
  extendType({
    type: 'Mutation',
    definition(t) {
      t.nonNull.field('eraseItems', {
        type: 'EraseItemsPayload',
        description: 'Erase items for privacy, for ever; ADMIN only.',
        args: inputArg('EraseItemsInput'),
        resolve: resolve.eraseItems,
      })
    },
  }),
  inputObjectType({
    name: 'EraseItemsInput',
    description: 'Erase.',
    definition(t) {
      t.nonNull.id('projectId', { description: 'Project.' })
      t.nonNull.list.nonNull.id('itemIds', { description: 'Items, at most 250.' })
      t.nonNull.string('reason', { description: 'Why, for the audit log; names nobody.' })
      t.nonNull.id('idempotencyKey', { description: 'Safe to repeat with the same key.' })
    },
  }),
  payloadType('EraseItemsPayload', 'Erased.', (t) => {
    t.nonNull.list.nonNull.field('items', { type: 'Item', description: 'Tombstones.' })
    t.field('job', {
      type: 'Job',
      description: 'Job that deletes what lies in files; null when all were erased before.',
    })
  }),
]
