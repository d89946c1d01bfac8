import type { Command } from 'commander'
import type { Terminal } from './terminal/terminal.ts'

/** Dependencies of every command. */
export interface CommandContext {
  readonly terminal: Terminal
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by Ctrl-C and SIGTERM. Created only by commands that run until they are stopped. */
  stopSignal(): AbortSignal
  /** Ends the process with this code once the command is done. */
  exitWith(code: number): void
}

/** Adds one command, or a noun with several verbs, to the program. Each lives in a file of its own. */
export type AddCommand = (program: Command, context: CommandContext) => void
