import { Option } from 'commander'
import type { AddCommand, CommandContext } from './command.ts'
import {
  addConnectionOptions,
  type ConnectionFlags,
  openTransport,
  readNumber,
} from './connection/connection-options.ts'
import { nameEvent } from './connection/named-event.ts'
import { collectHeader, readInput } from './connection/payload-input.ts'
import { collectParam, type ParamValues, toSubject } from './connection/subject-choice.ts'
import { contractOf } from './contract/contract-option.ts'

interface PubFlags extends ConnectionFlags {
  readonly contract?: string
  readonly param?: ParamValues
  readonly header?: ReadonlyArray<readonly [string, string]>
  readonly id?: string
  readonly stored?: boolean
  readonly lines?: boolean
  readonly timeout?: number
  readonly json?: boolean
}

/** In ms. */
const TIMEOUT = 10_000

/** `spanwire pub`: publishes events. */
export const addPub: AddCommand = (program, context) => {
  const command = program
    .command('pub')
    .description('publish an event')
    .argument('<subject|event>', 'subject, or an event such as "orders.{orderId}.created" with --param')
    .argument('[data]', 'the data; @file for that of a file, - for standard input (default: none)')
    .option('--contract <file>', 'check the data by this contract; an event with a stream is acknowledged by it')
    .addOption(new Option('--param <name=value>', 'a parameter of the event; repeatable').argParser(collectParam))
    .addOption(new Option('--header <name: value>', 'a header; repeatable').argParser(collectHeader))
    .option('--id <id>', "the event's id: a stream stores it once")
    .option('--stored', 'wait until a stream has stored it, without a contract')
    .option('--lines', 'publish each line of the data as an event of its own')
    .addOption(
      new Option('--timeout <ms>', `how long to wait for the stream, in ms (default: ${TIMEOUT})`).argParser((text) =>
        readNumber('--timeout', text, 1, 600_000),
      ),
    )
    .option('--json', 'one line of JSON for each event')
  addConnectionOptions(command).action(async (given: string, data: string | undefined, flags: PubFlags) => {
    await publish(given, data, flags, context)
  })
}

async function publish(
  given: string,
  data: string | undefined,
  flags: PubFlags,
  { terminal, env }: CommandContext,
): Promise<void> {
  const subject = toSubject(given, flags.param ?? {})
  const contract = flags.contract === undefined ? undefined : await contractOf(flags.contract)
  const input = await readInput(data)
  const payloads = flags.lines ? splitLines(input) : [input]
  const options = {
    ...(flags.id !== undefined && { id: flags.id }),
    ...(flags.header !== undefined && { headers: flags.header }),
    timeout: flags.timeout ?? TIMEOUT,
  }
  const transport = await openTransport(flags, env)
  try {
    for (const payload of payloads) {
      const event = nameEvent(transport, { subject, payload, contract, isStored: flags.stored === true })
      const ack = await event.publish(options)
      const stored = ack ? `, ${ack.stream} #${ack.seq}${ack.duplicate ? ' (it had this id already)' : ''}` : ''
      if (flags.json) terminal.out(JSON.stringify({ subject, bytes: payload.length, ...ack }))
      else terminal.note(`Published ${payload.length} bytes to ${subject}${stored}`)
    }
  } finally {
    await transport.close()
  }
}

/** Lines that are not empty. */
function splitLines(input: Uint8Array): Uint8Array[] {
  const lines = new TextDecoder().decode(input).split(/\r?\n/)
  return lines.filter((line) => line !== '').map((line) => new TextEncoder().encode(line))
}
