/**
 * Writes schema.graphql and the Nexus types from src/schema, or with --check fails when they are not up to date.
 * Usage: tsx scripts/generate-schema.ts [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { printSchema } from 'graphql'
import { buildSchema, generateTypes, SDL_PATH } from '../src/schema/index.ts'

const isCheck = process.argv.includes('--check')
const types = await generateTypes()
const outputs = [{ path: SDL_PATH, text: `${printSchema(buildSchema())}\n` }, types]

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

const stale = outputs.filter((output) => readIfThere(output.path) !== output.text)
for (const output of stale) {
  const name = path.relative(process.cwd(), output.path)
  if (isCheck) console.error(`${name} is not up to date: run "npm run schema" and commit it`)
  else {
    writeFileSync(output.path, output.text)
    console.log(`wrote ${name}`)
  }
}
if (isCheck && stale.length > 0) process.exitCode = 1
