import * as resolve from '../resolvers/node.ts'
import { extendType, idArg, idArgument, list, nonNull } from './nexus.ts'

export const nodeTypes = [
  extendType({
    type: 'Query',
    definition(t) {
      t.field('node', {
        type: 'Node',
        description: 'Any object by global id.',
        args: idArgument(),
        resolve: resolve.node as never,
      })
      t.nonNull.list.field('nodes', {
        type: 'Node',
        description: 'Many objects by global id, at most 100, nulls kept in place.',
        args: { ids: nonNull(list(nonNull(idArg()))) },
        resolve: resolve.nodes as never,
      })
    },
  }),
]
