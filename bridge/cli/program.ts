import { Command } from 'commander'
import { addBridge } from './bridge.ts'
import type { AddCommand, CommandContext } from './command.ts'
import { addCompletion } from './completion.ts'
import { addConsumers } from './consumers.ts'
import { addContract } from './contract.ts'
import { addDead } from './dead.ts'
import { addDev } from './dev.ts'
import { addDoctor } from './doctor.ts'
import { addPub } from './pub.ts'
import { addQuarantine } from './quarantine.ts'
import { addRelay } from './relay.ts'
import { addRequest } from './request.ts'
import { addStreams } from './streams.ts'
import { addTail } from './tail.ts'
import { addToken } from './token.ts'

/** All commands, in the order of the help. A new command is one file and one line here. */
const COMMANDS: readonly AddCommand[] = [
  addDev,
  addBridge,
  addRelay,
  addTail,
  addPub,
  addRequest,
  addToken,
  addStreams,
  addConsumers,
  addDead,
  addQuarantine,
  addContract,
  addDoctor,
]

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
  addCompletion(program)
  return program
}
