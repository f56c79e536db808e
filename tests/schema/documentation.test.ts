import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { buildSchema, type GraphQLError, type OperationDefinitionNode, parse, validate } from 'graphql'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { checkQuery } from '../../src/query-limits.ts'

const schema = buildSchema(readFileSync('schema.graphql', 'utf8'))
const { queryLimits } = loadConfig({})

const pages = ['README.md', ...readdirSync('docs').map((name) => path.join('docs', name))].filter((name) =>
  name.endsWith('.md'),
)

/** Every operation that a page shows, with the line it begins on. */
const shown = pages.flatMap((page) => {
  const text = readFileSync(page, 'utf8')
  return [...text.matchAll(/```graphql\n([\s\S]*?)```/g)].map((match) => ({
    where: `${page}:${text.slice(0, match.index).split('\n').length}`,
    operation: match[1] as string,
  }))
})

/** Sentences that show a part of the API inside code marks, such as `similaritySearch(input: { ... })`. */
const quoted = pages.flatMap((page) => {
  const text = readFileSync(page, 'utf8').replace(/```[\s\S]*?```/g, (block) => block.replace(/[^\n]/g, ' '))
  return [...text.matchAll(/`([a-zA-Z]+)\(input:/g)].map((match) => ({
    where: `${page}:${text.slice(0, match.index).split('\n').length}`,
    field: match[1] as string,
  }))
})

const messagesOf = (errors: readonly GraphQLError[]) => errors.map(({ message }) => message)

describe('the documentation', () => {
  it('shows operations', () => {
    expect(shown.length).toBeGreaterThan(8)
    expect(quoted.length).toBeGreaterThan(0)
  })

  it.each(shown)('$where is an operation of this API, within the limits', ({ operation }) => {
    const document = parse(operation)
    expect(messagesOf(validate(schema, document))).toEqual([])
    for (const definition of document.definitions) {
      const { variableDefinitions = [] } = definition as OperationDefinitionNode
      const variables = Object.fromEntries(variableDefinitions.map(({ variable }) => [variable.name.value, []]))
      expect(() => checkQuery(schema, document, variables, queryLimits)).not.toThrow()
    }
  })

  it.each(quoted)('$where names the field $field', ({ field }) => {
    const roots = [schema.getQueryType(), schema.getMutationType()]
    expect(roots.some((root) => root?.getFields()[field])).toBe(true)
  })

  it.each([
    ['fields of queries', 'query ($id: ID!) { project(id: $id) { noSuchField } }'],
    ['inputs', 'mutation { createProject(input: { title: "x" }) { userErrors { code } } }'],
  ])('would be found wrong by its %s', (_what, operation) => {
    expect(validate(schema, parse(operation)).length).toBeGreaterThan(0)
  })
})
