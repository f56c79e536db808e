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
  type ValueNode,
  valueFromASTUntyped,
  visit,
} from 'graphql'
import { isStorable } from './services/storable-text.ts'

export interface QueryLimits {
  readonly maxDepth: number
  readonly maxCost: number
}

/** A request that is wrong, and stays so however often it is sent: left out, the status would be that of a failure of ours. */
const REFUSED = { status: 400 }
/** Rows assumed of a list that declares no size. */
const UNDECLARED_LIST = 10
/** Selections that are looked at, fragments followed: some thirty times those of the largest page of the review page. */
const MOST_SELECTIONS = 20_000
/**
 * Tokens of a document, for GraphQL's parser. Validating takes time with the square of it; 250 rows of an update written out
 * take half of it, and lists are better sent as variables.
 */
export const MAX_TOKENS = 5_000

/** Refuses texts that no database column could hold, wherever they stand. */
function checkTexts(document: DocumentNode, variables: Readonly<Record<string, unknown>>): void {
  const refuse = (where: string) => {
    throw new GraphQLError(`texts must have neither the character NUL nor half a character: got one in ${where}`, {
      extensions: { code: 'BAD_USER_INPUT', http: REFUSED },
    })
  }
  // Not by recursion: a body may nest as deep as it is long.
  for (const [name, value] of Object.entries(variables)) {
    const left: unknown[] = [value]
    while (left.length > 0) {
      const part = left.pop()
      if (typeof part === 'string' && !isStorable(part)) refuse(`variable $${name}`)
      if (typeof part !== 'object' || part === null) continue
      if (Array.isArray(part)) for (const inner of part) left.push(inner)
      else for (const [key, inner] of Object.entries(part)) left.push(key, inner)
    }
  }
  // Only an escape can write it, and the parser lets no half pair through.
  if (!document.loc?.source.body.includes('\\u')) return
  visit(document, { StringValue: ({ value }) => (isStorable(value) ? undefined : refuse('the document')) })
}

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
  checkTexts(document, variables)
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
      extensions: { code: 'DEPTH_LIMIT', depth, http: REFUSED },
    })

  const defaultOf = new Map(
    operation.variableDefinitions?.map(({ variable, defaultValue }) => [
      variable.name.value,
      defaultValue && valueFromASTUntyped(defaultValue),
    ]),
  )
  const readValue = (value: ValueNode): unknown =>
    value.kind === Kind.VARIABLE
      ? (variables[value.name.value] ?? defaultOf.get(value.name.value))
      : valueFromASTUntyped(value, variables)

  /** The list size a field declares: `first`, the length of `ids`, or a guess. */
  function sizeOf(field: FieldNode, type: GraphQLOutputType, declared: Record<string, number | undefined>): number {
    for (const { name, value } of field.arguments ?? []) {
      if (['first', 'last', 'count'].includes(name.value)) {
        const given = readValue(value)
        // What is below one is refused later, and must not make room for others until then.
        if (typeof given === 'number') return Math.max(1, given)
      }
      if (name.value === 'ids') {
        const given = readValue(value)
        if (Array.isArray(given)) return given.length
      }
    }
    if (declared.first !== undefined) return declared.first
    const bare = isNonNullType(type) ? type.ofType : type
    return isListType(bare) ? UNDECLARED_LIST : 1
  }

  const costRefusal = (message: string) =>
    new GraphQLError(message, { extensions: { code: 'COST_LIMIT', maxCost: limits.maxCost, http: REFUSED } })
  let seen = 0

  function costOf(selections: SelectionSetNode, parent: GraphQLCompositeType, depth: number, inPage: boolean): number {
    let cost = 0
    for (const selection of selections.selections) {
      // Fragments that hold fragments double with each level.
      if (++seen > MOST_SELECTIONS) {
        throw costRefusal(`the operation selects more than ${MOST_SELECTIONS} fields, fragments followed: ask for less`)
      }
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
        throw costRefusal(
          `the operation may return more than ${limits.maxCost} objects: ask for smaller pages (first) or fewer levels`,
        )
      }
    }
    return cost
  }

  costOf(operation.selectionSet, root, 0, false)
}
