import { type Command, Option } from 'commander'
import { messageOf } from '../../sdk/kit/error-text.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { AddCommand, CommandContext } from './command.ts'
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

interface DeadFlags extends ConnectionFlags {
  readonly consumer?: string
  readonly seq?: readonly number[]
  readonly grep?: string
  readonly limit?: number
  readonly all?: boolean
  readonly json?: boolean
}

/** `spanwire dead list|redrive`: events that `consume` has put aside. */
export const addDead: AddCommand = (program, context) => {
  const dead = program.command('dead').description('list dead letters of consume, and put them back')
  const list = dead.command('list').description('list dead letters with their reasons, oldest first')
  addChoice(list)
    .addOption(
      new Option('--limit <n>', 'at most n of them (default: 1000)').argParser((text) =>
        readNumber('--limit', text, 1, 1e9),
      ),
    )
    .option('--json', 'one line of JSON for each, with its data')
    .action(async (subject: string, flags: DeadFlags) => listLetters(subject, flags, context))
  const back = dead
    .command('redrive')
    .description('put dead letters back on their subjects under their own ids; exits with 1 if some are kept')
  addChoice(back)
    .option('--all', 'all of them')
    .option('--json', 'one line of JSON for each')
    .action(async (subject: string, flags: DeadFlags) =>
      context.exitWith(await redriveLetters(subject, flags, context)),
    )
}

function addChoice(command: Command): Command {
  command
    .argument('<subject>', 'where they go: deadLetter.subject of consume, or a filter')
    .option('--consumer <name>', 'only dead letters of this consumer')
    .option('--grep <regexp>', 'only those whose reason or subject match')
    .addOption(
      new Option('--seq <n>', 'only this one, by its sequence in the stream of dead letters; repeatable').argParser(
        (text, previous: readonly number[] = []) => [
          ...previous,
          readNumber('--seq', text, 1, Number.MAX_SAFE_INTEGER),
        ],
      ),
    )
  return addConnectionOptions(command)
}

function choose({ consumer, seq, grep }: DeadFlags): (letter: DeadLetter) => boolean {
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
const HEAD = ['SEQ', 'PUT ASIDE', 'SUBJECT', 'CONSUMER', 'ATTEMPTS', 'REASON']

async function listLetters(subject: string, flags: DeadFlags, { terminal, env }: CommandContext): Promise<void> {
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
      else rows.push(toRow(letter))
    }
  } finally {
    await transport.close()
  }
  if (flags.json) return
  if (count === 0) return terminal.note('No dead letters.')
  for (const line of formatTable(HEAD, rows)) terminal.out(line)
  if (count > rows.length) terminal.note(`There are more: give --limit, or choose by --consumer or --grep.`)
}

function toRow({ deadSeq, time, subject, consumer, attempts, reason }: DeadLetter): string[] {
  const at = new Date(time).toISOString().replace('T', ' ').slice(0, 19)
  return [String(deadSeq), at, escapeText(subject), escapeText(consumer), String(attempts), escapeText(reason)]
}

function toJson({ payload, headers, time, deadSeq, deadStream, ...letter }: DeadLetter): string {
  const line = JSON.stringify({ deadStream, deadSeq, time: new Date(time).toISOString(), ...letter, headers })
  return `${line.slice(0, -1)},${payloadField(payload)}}`
}

async function redriveLetters(subject: string, flags: DeadFlags, { terminal, env }: CommandContext): Promise<number> {
  const filter = toFilter(subject, {})
  const isChosen = choose(flags)
  if (!flags.all && flags.seq === undefined && flags.consumer === undefined && flags.grep === undefined)
    throw new SpanwireError('invalid-argument', 'Choose dead letters: --seq, --consumer, --grep, or --all.')
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
