// Reads the GraphQL documents beside the page's components and writes, from schema.graphql, their types and their names:
// the page sends a document's SHA-256 instead of its text, and the server knows the text. An error names the file.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { plugin } from '@graphql-codegen/typescript-operations'
import { buildSchema, Kind, parse, print, Source, stripIgnoredCharacters, validate, visit } from 'graphql'

const root = path.resolve(import.meta.dirname, '..')
const sources = path.join(root, 'web/src')
const generated = path.join(sources, 'generated')

function fail(error) {
  console.error(`the page's documents do not fit schema.graphql:\n${error}`)
  process.exit(1)
}

const schema = buildSchema(readFileSync(path.join(root, 'schema.graphql'), 'utf8'))
const documents = readdirSync(sources, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.graphql'))
  .sort()
  .map((file) => {
    try {
      return {
        location: file,
        document: parse(new Source(readFileSync(path.join(sources, file), 'utf8'), `web/src/${file}`)),
      }
    } catch (error) {
      return fail(error)
    }
  })

const definitions = documents.flatMap(({ document }) => document.definitions)
const problems = validate(schema, { kind: Kind.DOCUMENT, definitions })
if (problems.length > 0) fail(problems.join('\n\n'))

const fragments = new Map(
  definitions.flatMap((definition) =>
    definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition]] : [],
  ),
)

/** The fragments that a definition spreads, and those that these spread. */
function fragmentsOf(definition, found = new Map()) {
  visit(definition, {
    FragmentSpread({ name }) {
      const fragment = fragments.get(name.value)
      if (!fragment || found.has(name.value)) return
      found.set(name.value, fragment)
      fragmentsOf(fragment, found)
    },
  })
  return found
}

const trusted = {}
const lines = []
for (const operation of definitions) {
  if (operation.kind !== Kind.OPERATION_DEFINITION) continue
  if (!operation.name) fail(`an operation without a name: ${print(operation)}`)
  const name = operation.name.value
  const text = stripIgnoredCharacters(
    print({ kind: Kind.DOCUMENT, definitions: [operation, ...fragmentsOf(operation).values()] }),
  )
  const sha256 = createHash('sha256').update(text).digest('hex')
  trusted[sha256] = text
  const kind = operation.operation[0].toUpperCase() + operation.operation.slice(1)
  const types = `${name}${kind}, ${name}${kind}Variables`
  lines.push(`export const ${name}: TypedDocument<${types}> = { name: '${name}', sha256: '${sha256}' }`)
}

const { prepend = [], content } = await plugin(
  schema,
  documents,
  {
    scalars: { DateTime: 'string', URL: 'string', JSONObject: 'Record<string, unknown>' },
    skipTypename: true,
    useTypeImports: true,
  },
  { outputFile: '' },
)
const head = `/* Generated from schema.graphql and the documents of the page by scripts/generate-web-documents.mjs. */
import type { TypedDocument } from '../api/typed-document.ts'
`
mkdirSync(generated, { recursive: true })
writeFileSync(path.join(generated, 'operations.ts'), [head, ...prepend, content, ...lines, ''].join('\n'))
writeFileSync(path.join(generated, 'trusted-documents.json'), `${JSON.stringify(trusted, null, 1)}\n`)
