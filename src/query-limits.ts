import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  GraphQLError,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'

export interface QueryLimits {
  readonly maxDepth: number
  readonly maxCost: number
}

/** Rows assumed of a list that declares no size. */
const UNDECLARED_LIST = 10

/**
 * Refuses an operation that nests too deep or asks for too many objects, before anything is executed. The cost is the
 * number of objects that the declared list sizes allow, fragments followed.
 */
export function checkQuery(
  schema: GraphQLSchema,
  document: DocumentNode,
  variables: Readonly<Record<string, unknown>>,
  limits: QueryLimits,
  operationName?: string | null,
): void {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }
  const operation = document.definitions.find(
    (definition): definition is OperationDefinitionNode =>
      definition.kind === Kind.OPERATION_DEFINITION && (!operationName || definition.name?.value === operationName),
  )
  if (!operation) return
  const root = schema.getRootType(operation.operation)
  if (!root) return

  const depthRefusal = (depth: number) =>
    new GraphQLError(`the operation nests deeper than ${limits.maxDepth} levels: ask for less, or follow ids`, {
      extensions: { code: 'DEPTH_LIMIT', depth },
    })

  /** The list size a field declares: `first`, the length of `ids`, or a guess. */
  function sizeOf(field: FieldNode, type: GraphQLOutputType, declared: Record<string, number | undefined>): number {
    for (const argument of field.arguments ?? []) {
      const { value } = argument
      const given = value.kind === Kind.VARIABLE ? variables[value.name.value] : undefined
      if (['first', 'last', 'count'].includes(argument.name.value)) {
        if (value.kind === Kind.INT) return Number(value.value)
        if (typeof given === 'number') return given
      }
      if (argument.name.value === 'ids') {
        if (value.kind === Kind.LIST) return value.values.length
        if (Array.isArray(given)) return given.length
      }
    }
    if (declared.first !== undefined) return declared.first
    const bare = isNonNullType(type) ? type.ofType : type
    return isListType(bare) ? UNDECLARED_LIST : 1
  }

  function costOf(selections: SelectionSetNode, parent: GraphQLCompositeType, depth: number, inPage: boolean): number {
    let cost = 0
    for (const selection of selections.selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD || selection.kind === Kind.INLINE_FRAGMENT) {
        const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? fragments.get(selection.name.value) : selection
        if (!fragment) continue
        const condition = fragment.typeCondition ? schema.getType(fragment.typeCondition.name.value) : parent
        if (isCompositeType(condition)) cost += costOf(fragment.selectionSet, condition, depth, inPage)
        continue
      }
      if (!selection.selectionSet || selection.name.value.startsWith('__')) continue
      if (!isObjectType(parent) && !isInterfaceType(parent)) continue
      const definition = parent.getFields()[selection.name.value]
      const child = definition && getNamedType(definition.type)
      if (!definition || !isCompositeType(child)) continue
      if (depth >= limits.maxDepth) throw depthRefusal(depth + 1)
      const defaults = Object.fromEntries(
        definition.args.map((argument) => [argument.name, argument.defaultValue as number | undefined]),
      )
      const isConnection = child.name.endsWith('Connection')
      // The size of a page is declared on the connection; its `edges` are that page, not a list of their own.
      const isEdges = inPage && selection.name.value === 'edges'
      const size = isEdges ? 1 : sizeOf(selection, definition.type, defaults)
      cost += size * (1 + costOf(selection.selectionSet, child, depth + 1, isConnection))
      if (cost > limits.maxCost) {
        throw new GraphQLError(
          `the operation may return more than ${limits.maxCost} objects: ask for smaller pages (first) or fewer levels`,
          { extensions: { code: 'COST_LIMIT', maxCost: limits.maxCost } },
        )
      }
    }
    return cost
  }

  costOf(operation.selectionSet, root, 0, false)
}
