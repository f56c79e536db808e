/** The one door to Nexus: schema files import from here only, so that a move to another builder stays mechanical. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { arg, idArg, intArg, nonNull, objectType, stringArg } from 'nexus'

export {
  arg,
  booleanArg,
  enumType,
  extendType,
  floatArg,
  idArg,
  inputObjectType,
  intArg,
  interfaceType,
  list,
  mutationType,
  nonNull,
  nullable,
  objectType,
  queryType,
  scalarType,
  stringArg,
  subscriptionType,
} from 'nexus'

const here = path.dirname(fileURLToPath(import.meta.url))

/** The Prisma row behind a GraphQL object. */
export const prismaRow = (name: string) => ({ module: path.join(here, '../generated/prisma/client.ts'), export: name })

/** A hand-written source type, `file` relative to src. */
export const sourceIn = (file: string, name: string) => ({ module: path.join(here, '..', file), export: name })

interface ConnectionOptions {
  /** GraphQL name of the node; the connection and edge are named after it unless `name` is given. */
  node: string
  name?: string
  /** Descriptions, as in the SDL. */
  page: string
  edge: string
  nodeDescription: string
  /** Adds `totalCount(cap)`, whose resolver reads `totalCount` of the source as a function of the cap. */
  totalCount?: string
  /** Facts about the relation, beside the node. */
  // biome-ignore lint/suspicious/noExplicitAny: Nexus's block type needs the generated names
  edgeFields?: (t: any) => void
}

/** The Relay connection and edge types of one node. */
export function connectionTypes({
  node,
  name = node,
  page,
  edge,
  nodeDescription,
  totalCount,
  edgeFields,
}: ConnectionOptions) {
  return [
    objectType({
      name: `${name}Connection`,
      description: page,
      definition(t) {
        t.nonNull.list.nonNull.field('edges', { type: `${name}Edge` as never, description: 'Edges of this page.' })
        t.nonNull.field('pageInfo', { type: 'PageInfo' as never, description: 'Page position.' })
        if (totalCount) {
          t.nonNull.field('totalCount', {
            type: 'CappedCount' as never,
            description: totalCount,
            args: { cap: countCap() },
          })
        }
      },
    }),
    objectType({
      name: `${name}Edge`,
      description: edge,
      definition(t) {
        t.nonNull.string('cursor', { description: 'Position.' })
        t.nonNull.field('node', { type: node as never, description: nodeDescription })
        edgeFields?.(t)
      },
    }),
  ]
}

const countCap = () => nonNull(intArg({ default: 10_000 }))

/** `first` and `after` of a connection. */
export const pageArgs = (first = 50) => ({
  first: nonNull(intArg({ default: first, description: 'How many, at most 250.' })),
  after: stringArg(),
})

/** The one `input` argument of a mutation. */
export const inputArg = (type: string) => ({ input: nonNull(inputOf(type)) })

const inputOf = (type: string) => arg({ type: type as never })

export const idArgument = () => ({ id: nonNull(idArg()) })

/** The payload of a mutation: its own nullable fields, and `userErrors`. */
// biome-ignore lint/suspicious/noExplicitAny: Nexus's block type needs the generated names
export function payloadType(name: string, description: string, fields: (t: any) => void, refusals = 'Refusals.') {
  return objectType({
    name,
    description,
    definition(t) {
      fields(t)
      t.nonNull.list.nonNull.field('userErrors', { type: 'UserError' as never, description: refusals })
    },
  })
}
