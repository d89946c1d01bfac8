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
import { payloadField, showPayload } from './connection/payload-text.ts'
import { collectParam, type ParamValues, toSubject } from './connection/subject-choice.ts'
import { contractOf } from './contract/contract-option.ts'

interface RequestFlags extends ConnectionFlags {
  readonly contract?: string
  readonly param?: ParamValues
  readonly header?: ReadonlyArray<readonly [string, string]>
  readonly timeout?: number
  readonly json?: boolean
}

/** In ms. */
const TIMEOUT = 5_000

/** `spanwire request`: sends a request and shows the answer. */
export const addRequest: AddCommand = (program, context) => {
  const command = program
    .command('request')
    .description('send a request and show the first answer')
    .argument('<subject|event>', 'subject, or an event such as "quotes.{symbol}.get" with --param')
    .argument('[data]', 'the data; @file for that of a file, - for standard input (default: none)')
    .option('--contract <file>', 'check the data and the answer by this contract')
    .addOption(new Option('--param <name=value>', 'a parameter of the event; repeatable').argParser(collectParam))
    .addOption(new Option('--header <name: value>', 'a header; repeatable').argParser(collectHeader))
    .addOption(
      new Option('--timeout <ms>', `how long to wait for the answer, in ms (default: ${TIMEOUT})`).argParser((text) =>
        readNumber('--timeout', text, 1, 600_000),
      ),
    )
    .option('--json', 'one line of JSON: the answer and how long it took, in ms')
  addConnectionOptions(command).action(async (given: string, data: string | undefined, flags: RequestFlags) => {
    await ask(given, data, flags, context)
  })
}

async function ask(
  given: string,
  data: string | undefined,
  flags: RequestFlags,
  { terminal, env }: CommandContext,
): Promise<void> {
  const subject = toSubject(given, flags.param ?? {})
  const contract = flags.contract === undefined ? undefined : await contractOf(flags.contract)
  const payload = await readInput(data)
  const transport = await openTransport(flags, env)
  try {
    const event = nameEvent(transport, { subject, payload, contract, isStored: false })
    const startedAt = performance.now()
    const answer = await event.request({
      timeout: flags.timeout ?? TIMEOUT,
      ...(flags.header !== undefined && { headers: flags.header }),
    })
    const ms = Math.round((performance.now() - startedAt) * 10) / 10
    if (!flags.json) {
      terminal.out(showPayload(answer))
      terminal.note(terminal.paintNote('dim', `Answered in ${ms} ms`))
    } else terminal.out(`{"subject":${JSON.stringify(subject)},"ms":${ms},${payloadField(answer)}}`)
  } finally {
    await transport.close()
  }
}
