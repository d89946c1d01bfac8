#!/usr/bin/env node
/** The command `spanwire`. */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { CommanderError } from 'commander'
import type { CommandContext } from './command.ts'
import { mainPath } from './main-path.ts'
import { createProgram } from './program.ts'
import { needsTypeScript, respawn } from './runtime/respawn.ts'
import { stopSignal } from './runtime/signals.ts'
import { findConfig } from './settings/config-file.ts'
import { describeFailure } from './terminal/failure.ts'
import { openTerminal } from './terminal/terminal.ts'

// A reader such as `head` that has seen enough is not an error.
process.stdout.on('error', () => process.exit(0))

const args = process.argv.slice(2)
const hasConfig = /\.m?ts$/.test((await findConfig()) ?? '')
process.exitCode = needsTypeScript(args, hasConfig) ? await respawn(mainPath(), args) : await run()
// Connections of a library may linger. The output must not be cut off.
process.stdout.write('', () => process.stderr.write('', () => process.exit()))

async function run(): Promise<number> {
  const terminal = openTerminal()
  let code = 0
  let stop: AbortSignal | undefined
  const context: CommandContext = {
    terminal,
    env: process.env,
    stopSignal: () => (stop ??= stopSignal()),
    exitWith: (given) => {
      code = given
    },
  }
  const program = createProgram(context, readVersion())
  try {
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const { text, exitCode } = describeFailure(error, process.env.SPANWIRE_DEBUG !== undefined)
    if (text !== '') terminal.note(`${terminal.paintNote('bad', 'spanwire:')} ${text}`)
    return exitCode
  }
}

/** The package's own version: package.json lies at the root, above `dist` where it is built. */
function readVersion(): string {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'))
      if (name === 'spanwire') return version
    } catch {
      // It is one folder higher.
    }
  }
  return '0.0.0'
}
