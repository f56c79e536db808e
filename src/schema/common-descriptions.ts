import { type GraphQLSchema, isInterfaceType, isObjectType } from 'graphql'

/** Arguments that mean the same wherever they stand. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  after: 'Cursor of the last edge seen; absent for the first page.',
  cap: 'Counting stops here, at most 100,000.',
  filter: 'All parts must hold.',
  first: 'How many.',
  id: 'Global id.',
  ids: 'Global ids.',
  input: 'What to do.',
  orderBy: 'Order.',
  projectId: 'Project.',
}

/**
 * Describes what every reader knows in one place: common arguments, and the subscription root, which Nexus gives no
 * description. Anything else is described where it is declared.
 */
export function describeCommon(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) && !isInterfaceType(type)) continue
    for (const { args } of Object.values(type.getFields())) {
      for (const argument of args) argument.description ??= ARGUMENTS[argument.name]
    }
  }
  const subscription = schema.getSubscriptionType()
  if (subscription) subscription.description = 'Push side: graphql-ws or SSE; every event can also be polled.'
  return schema
}
