#!/usr/bin/env node
// The command line runs from its TypeScript sources, as the server does.
import { register } from 'tsx/esm/api'

register()
const { runCommand } = await import('../src/cli.ts')
process.exitCode = await runCommand(process.argv.slice(2))
