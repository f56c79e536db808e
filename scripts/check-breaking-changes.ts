/**
 * Fails when schema.graphql breaks clients of the last release, whose SDL is schema.released.graphql.
 * Usage: tsx scripts/check-breaking-changes.ts             compares
 *        tsx scripts/check-breaking-changes.ts --release   makes the present SDL the released one
 */
import { copyFileSync, readFileSync } from 'node:fs'
import { buildSchema, findBreakingChanges, findDangerousChanges } from 'graphql'

const PRESENT = 'schema.graphql'
const RELEASED = 'schema.released.graphql'

if (process.argv.includes('--release')) {
  copyFileSync(PRESENT, RELEASED)
  console.log(`${RELEASED} is now what ${PRESENT} says: commit it with the release`)
} else {
  const [released, present] = [RELEASED, PRESENT].map((file) => buildSchema(readFileSync(file, 'utf8')))
  const breaking = findBreakingChanges(released!, present!)
  for (const { description } of findDangerousChanges(released!, present!)) console.log(`may surprise: ${description}`)
  for (const { description } of breaking) console.error(`breaks clients: ${description}`)
  if (breaking.length > 0) {
    console.error(
      `${breaking.length} breaking change(s) since the last release: keep the old form and deprecate it with a reason and a date.\n` +
        `Where clients must be broken, run this with --release, commit ${RELEASED}, and say so in CHANGELOG.md under Changed.`,
    )
    process.exitCode = 1
  }
}
