import { Option } from 'commander'
import type { ContractEvent } from '../../sdk/contract/contract.ts'
import type { Gap } from '../../sdk/contract/gap.ts'
import type { ReceivedEvent } from '../../sdk/contract/received-event.ts'
import { validateVersion } from '../../sdk/contract/versions.ts'
import { messageOf } from '../../sdk/kit/error-text.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { EventIndex } from '../contract/event-index.ts'
import type { AddCommand, CommandContext } from './command.ts'
import {
  addConnectionOptions,
  type ConnectionFlags,
  openTransport,
  readNumber,
} from './connection/connection-options.ts'
import { escapeText, payloadField, showPayload } from './connection/payload-text.ts'
import { rawSubscription } from './connection/raw-subscription.ts'
import { readStart, START_FORMS } from './connection/start-from.ts'
import { collectParam, type ParamValues, toFilter } from './connection/subject-choice.ts'
import { contractOf } from './contract/contract-option.ts'
import { readAllDeployed } from './contract/deployed-contracts.ts'
import { EXIT } from './terminal/exit-code.ts'

interface TailFlags extends ConnectionFlags {
  readonly from?: string
  readonly contract?: string
  readonly deployed?: boolean
  readonly param?: ParamValues
  readonly grep?: string
  readonly count?: number
  readonly headers?: boolean
  readonly json?: boolean
}

/** `spanwire tail`: live events, and past events of a stream. */
export const addTail: AddCommand = (program, context) => {
  const command = program
    .command('tail')
    .description('show events as they come, or from the past of a stream')
    .argument('<subject|event>', 'subject filter such as "orders.>", or an event such as "orders.{orderId}.created"')
    .option('--from <start>', `where to begin in the stream: ${START_FORMS} (default: live events only)`)
    .option('--contract <file>', 'check the events by this contract, and mark invalid ones')
    .option('--deployed', 'name and decode the events by the contracts that "streams apply" kept in NATS')
    .addOption(
      new Option('--param <name=value>', 'only events with this parameter; repeatable').argParser(collectParam),
    )
    .option('--grep <regexp>', 'only events whose subject or data match')
    .addOption(new Option('--count <n>', 'end after n events').argParser((text) => readNumber('--count', text, 1, 1e9)))
    .option('--headers', 'show the headers')
    .option('--json', 'one line of JSON for each event')
  addConnectionOptions(command).action(async (given: string, flags: TailFlags) => {
    context.exitWith(await tail(given, flags, context))
  })
}

async function tail(given: string, flags: TailFlags, context: CommandContext): Promise<number> {
  const filter = toFilter(given, flags.param ?? {})
  const start = flags.from === undefined ? undefined : readStart(flags.from, Date.now())
  const matches = readPattern(flags.grep)
  if (flags.deployed && flags.contract !== undefined)
    throw new SpanwireError('invalid-argument', 'Give --contract or --deployed, not both.')
  const named = flags.contract === undefined ? undefined : await contractOf(flags.contract)
  const stop = context.stopSignal()
  const transport = await openTransport(flags, context.env)
  const { terminal } = context
  try {
    const contract = flags.deployed ? await readAllDeployed(transport) : named
    const index = contract && new EventIndex(contract)
    const events = rawSubscription(transport, filter, {
      signal: stop,
      ...(start !== undefined && { from: start }),
      onGap: (gap) => terminal.note(`spanwire: ${describeGap(gap)}`),
    })
    let count = 0
    for await (const event of events) {
      if (!matches(event)) continue
      const known = index?.find(event.subject)
      const problem = index && (await problemOf(known, event))
      const name = known?.name
      terminal.out(flags.json ? toJson(event, name, problem) : toLine(event, { name, problem }, flags, context))
      // Not by a break: the cursor moves past an event when the next one is requested.
      if (++count === flags.count) events.unsubscribe()
    }
    if (start !== undefined && events.cursor !== undefined)
      terminal.note(terminal.paintNote('dim', `Continue with --from ${events.cursor}`))
    return EXIT.done
  } catch (error) {
    if (stop.aborted) return EXIT.done
    throw error
  } finally {
    await transport.close()
  }
}

function readPattern(text: string | undefined): (event: ReceivedEvent) => boolean {
  if (text === undefined) return () => true
  try {
    const pattern = new RegExp(text)
    return ({ subject, payload }) => pattern.test(subject) || pattern.test(new TextDecoder().decode(payload))
  } catch (cause) {
    throw new SpanwireError('invalid-argument', `--grep is not a regular expression: ${messageOf(cause)}.`, {
      cause,
    })
  }
}

/** Why the contract refuses an event; undefined if it takes it. */
async function problemOf(
  event: ContractEvent | undefined,
  { subject, payload, headers }: ReceivedEvent,
): Promise<string | undefined> {
  if (!event) return 'no event of the contract has this subject'
  try {
    await validateVersion(event, event.codec.decode(payload), headers.block, subject)
    return undefined
  } catch (error) {
    return isSpanwireError(error) ? error.message : `not ${event.codec.contentType}: ${messageOf(error)}`
  }
}

function toLine(
  event: ReceivedEvent,
  { name, problem }: { readonly name: string | undefined; readonly problem: string | undefined },
  { headers, deployed }: TailFlags,
  { terminal: { paint } }: CommandContext,
): string {
  const time = new Date(event.time).toISOString().slice(11, 23)
  const parts = [paint('dim', time), paint(problem === undefined ? 'name' : 'bad', escapeText(event.subject))]
  if (deployed && name !== undefined && name !== event.subject) parts.push(paint('dim', escapeText(name)))
  parts.push(showPayload(event.payload))
  if (event.seq !== undefined) parts.push(paint('dim', `#${event.seq}`))
  const lines = [parts.join('  ')]
  if (problem !== undefined) lines.push(`  ${paint('bad', escapeText(problem))}`)
  if (headers)
    for (const [name, value] of event.headers) lines.push(paint('dim', `  ${escapeText(`${name}: ${value}`)}`))
  return lines.join('\n')
}

function toJson(event: ReceivedEvent, name: string | undefined, problem: string | undefined): string {
  const before = JSON.stringify({ subject: event.subject, time: new Date(event.time).toISOString(), id: event.id })
  const headers = [...event.headers]
  const after = JSON.stringify({
    ...(event.seq !== undefined && { seq: event.seq }),
    ...(event.reply !== undefined && { reply: event.reply }),
    headers,
    ...(name !== undefined && { event: name }),
    ...(problem !== undefined && { invalid: problem }),
  })
  return `${before.slice(0, -1)},${payloadField(event.payload)},${after.slice(1)}`
}

function describeGap({ reason, ranges }: Gap): string {
  const where = ranges.map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`)).join(', ')
  return `events are missing (${reason})${where === '' ? '' : `: sequences ${where}`}`
}
