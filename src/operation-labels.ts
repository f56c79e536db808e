import { Kind, type OperationDefinitionNode } from 'graphql'

/** What of an operation may be a label: names that clients choose have no bound, those of the schema do. */
export function labelsOf(operation: OperationDefinitionNode | null | undefined): { type: string; field: string } {
  const [first] = operation?.selectionSet.selections ?? []
  return {
    type: operation?.operation ?? 'none',
    field: first?.kind === Kind.FIELD ? first.name.value : first ? 'fragment' : 'none',
  }
}
