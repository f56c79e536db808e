import {
  type GraphQLArgument,
  type GraphQLField,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { encodeId, encodeRoot, encodeRunNode, parseId } from '../../src/resolvers/global-id.ts'
import { buildSchema } from '../../src/schema/index.ts'
import { newId } from '../../src/services/id.ts'

const schema = buildSchema()
const types = Object.values(schema.getTypeMap()).filter((type) => !isIntrospectionType(type))
const objects = types.filter((type) => isObjectType(type))
const fieldsOf = (name: string) => Object.values(objects.find((type) => type.name === name)?.getFields() ?? {})
const mutations = fieldsOf('Mutation')
const capitalised = (name: string) => name[0]?.toUpperCase() + name.slice(1)

/** Every field of an object or interface, with its place. */
const allFields: [place: string, field: GraphQLField<unknown, unknown>][] = types.flatMap((type) =>
  isObjectType(type) || isInterfaceType(type)
    ? Object.values(type.getFields()).map((field): [string, typeof field] => [`${type.name}.${field.name}`, field])
    : [],
)
const pagedFields = allFields.filter(([, { type }]) => getNamedType(type).name.endsWith('Connection'))
const argumentOf = (args: readonly GraphQLArgument[], name: string) => args.find((argument) => argument.name === name)

describe('mutations', () => {
  it('take one input and return a payload, both named after them', () => {
    const odd = mutations
      .filter(({ name, args, type }) => {
        const inputs = args.map((argument) => `${argument.name}: ${argument.type}`)
        const expected = `input: ${capitalised(name)}Input!`
        return inputs.join() !== expected || String(type) !== `${capitalised(name)}Payload!`
      })
      .map(({ name }) => name)
    expect(odd).toEqual([])
    expect(mutations.length).toBeGreaterThanOrEqual(20)
  })

  it('have payloads of nullable objects or lists, and userErrors', () => {
    const payloads = objects.filter(({ name }) => name.endsWith('Payload'))
    const odd = payloads.flatMap((payload) => {
      const { userErrors, ...rest } = payload.getFields()
      const nonNull = Object.values(rest).filter(({ type }) => isNonNullType(type) && !isListType(type.ofType))
      return [
        ...(String(userErrors?.type) === '[UserError!]!' ? [] : [`${payload.name}.userErrors`]),
        ...nonNull.map(({ name }) => `${payload.name}.${name} is not null when refused`),
      ]
    })
    expect(odd).toEqual([])
    expect(payloads.map(({ name }) => name).sort()).toEqual(
      mutations.map(({ name }) => `${capitalised(name)}Payload`).sort(),
    )
  })

  it('take an idempotency key wherever repeating them would do something twice', () => {
    // Setting, ending and extending end in the same state however often they are done; a secret is shown once, in one
    // answer, and is never stored to be shown again; an upload that nobody fills is nothing.
    const repeatable = [
      'cancelJob',
      'createApiKey',
      'createUpload',
      'createWebhookEndpoint',
      'deleteWebhookEndpoint',
      'releaseReviewTasks',
      'renewReviewLeases',
      'revokeApiKey',
      'setMembership',
      'skipReviewTasks',
      'updateReviewSettings',
    ]
    const without = mutations.filter(({ args }) => {
      const input = getNamedType(args[0]?.type)
      return !(isInputObjectType(input) && String(input.getFields().idempotencyKey?.type) === 'ID!')
    })
    expect(without.map(({ name }) => name).filter((name) => !repeatable.includes(name))).toEqual([])
  })
})

describe('connections', () => {
  it('are read forward only, by pages of 250 at most', () => {
    const odd = pagedFields.filter(([, { args }]) => {
      const first = argumentOf(args, 'first')
      const hasFirst =
        String(first?.type) === 'Int!' && Number(first?.defaultValue) >= 1 && Number(first?.defaultValue) <= 250
      return (
        !hasFirst ||
        String(argumentOf(args, 'after')?.type) !== 'String' ||
        argumentOf(args, 'last') ||
        argumentOf(args, 'before')
      )
    })
    expect(odd.map(([place]) => place)).toEqual([])
    expect(pagedFields.length).toBeGreaterThan(10)
  })

  it('have edges with a cursor and a node that can be fetched again', () => {
    const odd = objects
      .filter(({ name }) => name.endsWith('Connection'))
      .filter((connection) => {
        const { edges, pageInfo, totalCount } = connection.getFields()
        const edge = edges && getNamedType(edges.type)
        if (!isObjectType(edge) || String(pageInfo?.type) !== 'PageInfo!') return true
        if (totalCount && (String(totalCount.type) !== 'CappedCount!' || !argumentOf(totalCount.args, 'cap')))
          return true
        const { cursor, node } = edge.getFields()
        const of = node && getNamedType(node.type)
        return (
          String(edges?.type) !== `[${edge.name}!]!` ||
          edge.name !== connection.name.replace(/Connection$/, 'Edge') ||
          String(cursor?.type) !== 'String!' ||
          !isNonNullType(node?.type) ||
          !(isObjectType(of) && of.getInterfaces().some(({ name }) => name === 'Node'))
        )
      })
    expect(odd.map(({ name }) => name)).toEqual([])
  })
})

describe('global ids', () => {
  const nodeTypes = schema.getPossibleTypes(schema.getType('Node') as never).map(({ name }) => name)

  it('whatever has an id is a Node, and only that', () => {
    const withId = objects.filter((type) => type.getFields().id)
    expect(withId.map(({ name }) => name).sort()).toEqual([...nodeTypes].sort())
  })

  it('every Node has an id of its own kind', () => {
    const [projectId, id] = [newId(), newId()]
    const encode = (type: string) => {
      if (type === 'User' || type === 'Project') return encodeRoot(type, id)
      if (type === 'Cluster' || type === 'Vertex') return encodeRunNode(type, { projectId, runId: id, index: 7 })
      return encodeId(type as never, { projectId, id })
    }
    expect(nodeTypes.map((type) => parseId(encode(type))?.type)).toEqual(nodeTypes)
  })
})

describe('the SDL as documentation', () => {
  it('describes every type, field, argument and value', () => {
    const missing: string[] = []
    const check = (place: string, description: string | null | undefined) => {
      if (!description?.trim()) missing.push(place)
    }
    for (const type of types) {
      if (isSpecifiedScalarType(type)) continue
      check(type.name, type.description)
      if (isEnumType(type)) for (const value of type.getValues()) check(`${type.name}.${value.name}`, value.description)
      if (isInputObjectType(type)) {
        for (const field of Object.values(type.getFields())) check(`${type.name}.${field.name}`, field.description)
      }
    }
    for (const [place, field] of allFields) {
      check(place, field.description)
      for (const argument of field.args) check(`${place}(${argument.name}:)`, argument.description)
    }
    expect(missing).toEqual([])
  })

  it('deprecates with a reason and a date', () => {
    const deprecated = allFields.flatMap(([place, field]) =>
      field.deprecationReason === undefined || field.deprecationReason === null
        ? []
        : [[place, field.deprecationReason] as const],
    )
    expect(deprecated.filter(([, reason]) => !/\d{4}-\d\d-\d\d/.test(reason))).toEqual([])
  })

  it('carries no bytes: scalars are the standard ones, instants, addresses and user metadata', () => {
    const own = types.filter((type) => isScalarType(type) && !isSpecifiedScalarType(type)).map(({ name }) => name)
    expect(own.sort()).toEqual(['DateTime', 'JSONObject', 'URL'])
  })

  it('sends by subscription only what a query returns too', () => {
    const queried = new Set(
      allFields.map(([place, { type }]) => (place.startsWith('Subscription.') ? '' : getNamedType(type).name)),
    )
    expect(fieldsOf('Subscription').filter(({ type }) => !queried.has(getNamedType(type).name))).toEqual([])
  })
})
