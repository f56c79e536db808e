/**
 * Writes client/generated.ts from schema.graphql and client/operations, or with --check fails when it is not up to date.
 * Usage: tsx scripts/generate-client.ts [--check]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { codegen } from '@graphql-codegen/core'
import * as documentNode from '@graphql-codegen/typed-document-node'
import * as operations from '@graphql-codegen/typescript-operations'
import { parse } from 'graphql'

const OUTPUT = 'client/generated.ts'
const FOLDER = 'client/operations'

const shared = {
  scalars: { DateTime: 'string', URL: 'string', JSONObject: 'Record<string, unknown>' },
  enumsAsTypes: true,
  useTypeImports: true,
  skipTypename: true,
  documentMode: 'string',
}

const documents = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.graphql'))
  .sort()
  .map((file) => ({ location: file, document: parse(readFileSync(path.join(FOLDER, file), 'utf8')) }))

const text = await codegen({
  filename: OUTPUT,
  schema: parse(readFileSync('schema.graphql', 'utf8')),
  documents,
  config: shared,
  plugins: [{ operations: {} }, { documentNode: {} }],
  pluginMap: { operations, documentNode },
})
const generated = `// Written by "npm run client" from schema.graphql and ${FOLDER}: change those.\n${text}`

if (!process.argv.includes('--check')) {
  writeFileSync(OUTPUT, generated)
  console.log(`wrote ${OUTPUT}`)
} else if (readFileSync(OUTPUT, 'utf8') !== generated) {
  console.error(`${OUTPUT} is not up to date: run "npm run client" and commit it`)
  process.exitCode = 1
}
