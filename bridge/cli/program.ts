import { Command } from 'commander'
import { addBridge } from './bridge.ts'
import type { AddCommand, CommandContext } from './command.ts'
import { addTail } from './tail.ts'

/** All commands, in the order of the help. A new command is one file and one line here. */
const COMMANDS: readonly AddCommand[] = [addBridge, addTail]

/** The whole command line. */
export function createProgram(context: CommandContext, version: string): Command {
  const program = new Command('spanwire')
    .description('NATS for browsers and edge functions')
    .version(version, '-V, --version')
    .showSuggestionAfterError()
    .exitOverride()
    // Errors are written in one place, as one sentence: see main.ts.
    .configureOutput({ outputError() {} })
    .addHelpText('after', '\nStart here: npx spanwire dev')
  for (const add of COMMANDS) add(program, context)
  return program
}
