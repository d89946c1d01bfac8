import { CommanderError } from 'commander'
import { messageOf } from '../../../sdk/kit/error-text.ts'
import { isSpanwireError } from '../../../sdk/wire/errors.ts'
import { EXIT, exitCodeOf } from './exit-code.ts'

/** An error for people: one sentence, and the exit code that goes with it. */
export interface Failure {
  readonly text: string
  readonly exitCode: number
}

/**
 * Describes the error that ended a command.
 * @param isDebug whether the stack is shown: `SPANWIRE_DEBUG=1`
 */
export function describeFailure(error: unknown, isDebug: boolean): Failure {
  if (error instanceof CommanderError) return { text: usageText(error), exitCode: EXIT.usage }
  const stack = error instanceof Error ? error.stack : undefined
  if (isSpanwireError(error))
    return { text: isDebug ? `${stack}` : `${error.message} (${error.code})`, exitCode: exitCodeOf(error) }
  const message = messageOf(error)
  const text = `This is a fault of spanwire: ${message}. Set SPANWIRE_DEBUG=1 to see where, and report it.`
  return { text: isDebug ? `${stack}` : text, exitCode: EXIT.internal }
}

/** Commander's own text, such as `error: unknown option '--x'\n(Did you mean --y?)`, as sentences. */
function usageText({ code, message }: CommanderError): string {
  // A command without a verb: its help was written.
  if (code === 'commander.help') return ''
  const [first = '', hint] = message.replace(/^error: /, '').split('\n')
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1)}${/[.!?]$/.test(first) ? '' : '.'}`
  return hint === undefined ? `${sentence} See --help.` : `${sentence} ${hint.replace(/^\(|\)$/g, '')}`
}
