import { realpathSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError } from 'commander'
import { addAblate } from './cli/ablate.ts'
import { addCluster } from './cli/cluster.ts'
import { addCompare } from './cli/compare.ts'
import { addEmbed } from './cli/embed.ts'
import { UsageError } from './cli/errors.ts'
import { addEvaluate } from './cli/evaluate.ts'
import type { ReadPixels } from './cli/picture-folder.ts'
import { addRetrain } from './cli/retrain.ts'
import { addTrain } from './cli/train.ts'
import { EngineError } from './engine/index.ts'
import { DomainError } from './services/errors.ts'

const MAX_PICTURE_PIXELS = 100_000_000

/** The server's codec, loaded when the first picture is read: other commands start without it. */
const readPixels: ReadPixels = async (bytes, edge) => {
  const { createImageCodec } = await import('./infra/image-codec-sharp.ts')
  try {
    const { data } = await createImageCodec({ maxPixels: MAX_PICTURE_PIXELS }).pixels(bytes, {
      width: edge,
      height: edge,
    })
    return data
  } catch (error) {
    throw error instanceof DomainError ? new UsageError(error.message) : error
  }
}

/** The engine on files: train, cluster, evaluate, compare, ablate, retrain, embed. */
export function createProgram(): Command {
  const program = new Command('tributary')
    .description('Cluster embeddings by confidence and connectivity, and compare methods on labelled sets.')
    .exitOverride()
    .showHelpAfterError('(add --help for how to use it)')
  for (const add of [addTrain, addCluster, addEvaluate, addCompare, addAblate]) add(program)
  for (const add of [addRetrain, addEmbed]) add(program, readPixels)
  for (const command of program.commands) command.exitOverride()
  return program
}

/** @returns the exit status: 0, 2 for a mistake of the caller, 130 when stopped, 1 otherwise */
export async function runCommand(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof EngineError && error.code === 'ABORTED') {
      process.stderr.write('stopped\n')
      return 130
    }
    if (error instanceof UsageError || error instanceof EngineError) {
      process.stderr.write(`error: ${error.message}\n`)
      return 2
    }
    throw error
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await runCommand(process.argv.slice(2))
}
