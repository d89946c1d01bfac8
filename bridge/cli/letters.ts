import { type Command, Option } from 'commander'
import { messageOf } from '../../sdk/kit/error-text.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { CommandContext } from './command.ts'
import {
  addConnectionOptions,
  type ConnectionFlags,
  openTransport,
  readNumber,
} from './connection/connection-options.ts'
import { type DeadLetter, readDeadLetters, redrive } from './connection/dead-letters.ts'
import { escapeText, payloadField } from './connection/payload-text.ts'
import { toFilter } from './connection/subject-choice.ts'
import { EXIT } from './terminal/exit-code.ts'
import { formatTable } from './terminal/table.ts'

interface LetterFlags extends ConnectionFlags {
  readonly consumer?: string
  readonly seq?: readonly number[]
  readonly grep?: string
  readonly limit?: number
  readonly all?: boolean
  readonly json?: boolean
}

/** A kind of events that `consume` puts aside. */
export interface LetterKind {
  /** Name of the command. */
  readonly command: string
  /** The events, such as `dead letters`. */
  readonly noun: string
  /** The option of `consume` with their subject. */
  readonly option: string
  /** Head and value of the column before the reason. */
  readonly column: readonly [head: string, value: (letter: DeadLetter) => string]
}

/** Adds a command with `list` and `redrive` for a kind of events. */
export function addLetters(program: Command, context: CommandContext, kind: LetterKind): void {
  const { command, noun } = kind
  const letters = program.command(command).description(`list ${noun} of consume, and put them back`)
  const list = letters.command('list').description(`list ${noun} with their reasons, oldest first`)
  addChoice(list, kind)
    .addOption(
      new Option('--limit <n>', 'at most n of them (default: 1000)').argParser((text) =>
        readNumber('--limit', text, 1, 1e9),
      ),
    )
    .option('--json', 'one line of JSON for each, with its data')
    .action(async (subject: string, flags: LetterFlags) => listLetters(subject, flags, context, kind))
  const back = letters
    .command('redrive')
    .description(`put ${noun} back on their subjects under their own ids; exits with 1 if some are kept`)
  addChoice(back, kind)
    .option('--all', 'all of them')
    .option('--json', 'one line of JSON for each')
    .action(async (subject: string, flags: LetterFlags) =>
      context.exitWith(await redriveLetters(subject, flags, context, kind)),
    )
}

function addChoice(command: Command, { noun, option }: LetterKind): Command {
  command
    .argument('<subject>', `where they go: ${option} of consume, or a filter`)
    .option('--consumer <name>', `only ${noun} of this consumer`)
    .option('--grep <regexp>', 'only those whose reason or subject match')
    .addOption(
      new Option('--seq <n>', `only this one, by its sequence in the stream of ${noun}; repeatable`).argParser(
        (text, previous: readonly number[] = []) => [
          ...previous,
          readNumber('--seq', text, 1, Number.MAX_SAFE_INTEGER),
        ],
      ),
    )
  return addConnectionOptions(command)
}

function choose({ consumer, seq, grep }: LetterFlags): (letter: DeadLetter) => boolean {
  let pattern: RegExp | undefined
  try {
    pattern = grep === undefined ? undefined : new RegExp(grep)
  } catch (cause) {
    throw new SpanwireError('invalid-argument', `--grep is not a regular expression: ${messageOf(cause)}.`, {
      cause,
    })
  }
  return (letter) =>
    (consumer === undefined || letter.consumer === consumer) &&
    (seq === undefined || seq.includes(letter.deadSeq)) &&
    (pattern === undefined || pattern.test(letter.reason) || pattern.test(letter.subject))
}

const LIMIT = 1_000

async function listLetters(
  subject: string,
  flags: LetterFlags,
  { terminal, env }: CommandContext,
  { noun, column: [name, read] }: LetterKind,
): Promise<void> {
  const filter = toFilter(subject, {})
  const isChosen = choose(flags)
  const transport = await openTransport(flags, env)
  const rows: string[][] = []
  let count = 0
  try {
    for await (const letter of readDeadLetters(transport, filter)) {
      if (!isChosen(letter)) continue
      if (++count > (flags.limit ?? LIMIT)) break
      if (flags.json) terminal.out(toJson(letter))
      else rows.push(toRow(letter, read(letter)))
    }
  } finally {
    await transport.close()
  }
  if (flags.json) return
  if (count === 0) return terminal.note(`No ${noun}.`)
  const head = ['SEQ', 'PUT ASIDE', 'SUBJECT', 'CONSUMER', name, 'REASON']
  for (const line of formatTable(head, rows)) terminal.out(line)
  if (count > rows.length) terminal.note(`There are more: give --limit, or choose by --consumer or --grep.`)
}

function toRow({ deadSeq, time, subject, consumer, reason }: DeadLetter, value: string): string[] {
  const at = new Date(time).toISOString().replace('T', ' ').slice(0, 19)
  return [String(deadSeq), at, escapeText(subject), escapeText(consumer), escapeText(value), escapeText(reason)]
}

function toJson({ payload, headers, time, deadSeq, deadStream, ...letter }: DeadLetter): string {
  const line = JSON.stringify({ deadStream, deadSeq, time: new Date(time).toISOString(), ...letter, headers })
  return `${line.slice(0, -1)},${payloadField(payload)}}`
}

async function redriveLetters(
  subject: string,
  flags: LetterFlags,
  { terminal, env }: CommandContext,
  { noun }: LetterKind,
): Promise<number> {
  const filter = toFilter(subject, {})
  const isChosen = choose(flags)
  if (!flags.all && flags.seq === undefined && flags.consumer === undefined && flags.grep === undefined)
    throw new SpanwireError('invalid-argument', `Choose ${noun}: --seq, --consumer, --grep, or --all.`)
  const transport = await openTransport(flags, env)
  const counts = { redriven: 0, kept: 0 }
  try {
    for await (const letter of readDeadLetters(transport, filter)) {
      if (!isChosen(letter)) continue
      const result = await redrive(transport, letter)
      counts[result.did]++
      if (flags.json) terminal.out(JSON.stringify({ deadSeq: letter.deadSeq, subject: letter.subject, ...result }))
      else if (result.did === 'kept') terminal.out(`#${letter.deadSeq} ${letter.subject}: kept, because ${result.why}`)
      else terminal.out(`#${letter.deadSeq} ${letter.subject}: put back, ${result.stream} #${result.seq}`)
    }
  } finally {
    await transport.close()
  }
  if (!flags.json) terminal.note(`${counts.redriven} put back, ${counts.kept} kept.`)
  return counts.kept > 0 ? EXIT.failedCheck : EXIT.done
}
