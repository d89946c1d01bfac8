import type { Events } from '../../sdk/contract/contract.ts'
import { ensureStreams, planStreams, type StreamPlan } from '../../sdk/streams/index.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import type { AddCommand, CommandContext } from './command.ts'
import { addConnectionOptions, type ConnectionFlags, openTransport } from './connection/connection-options.ts'
import { contractOf } from './contract/contract-option.ts'
import { BUCKET, storeContract } from './contract/deployed-contracts.ts'
import { describeContract } from './contract/event-description.ts'
import { loadConfig } from './settings/config-file.ts'
import { EXIT } from './terminal/exit-code.ts'

interface StreamsFlags extends ConnectionFlags {
  readonly destructive?: boolean
  readonly json?: boolean
  readonly name: string
}

/** `spanwire streams plan|apply`: the streams of a contract. Their options are `streams` of the configuration file. */
export const addStreams: AddCommand = (program, context) => {
  const streams = program.command('streams').description('make the streams of a contract, or bring them up to date')
  for (const verb of ['plan', 'apply'] as const) {
    const command = streams
      .command(verb)
      .description(
        verb === 'plan'
          ? 'show what apply would change; exits with 1 if data would be lost'
          : 'change the streams; exits with 1, and changes nothing, if data would be lost',
      )
      .argument('[contract]', 'the module that exports it (default: "contract" of spanwire.config.ts)')
      .option('--destructive', 'allow changes that lose data')
      .option('--json', 'a JSON array')
      .option('--name <name>', 'with apply: the contract is kept in NATS under this name', 'default')
    addConnectionOptions(command).action(async (place: string | undefined, flags: StreamsFlags) => {
      context.exitWith(await run(verb, place, flags, context))
    })
  }
}

async function run(
  verb: 'plan' | 'apply',
  place: string | undefined,
  flags: StreamsFlags,
  { terminal, env }: CommandContext,
): Promise<number> {
  const [events, { config }] = await Promise.all([contractOf(place), loadConfig()])
  const options = { ...config.streams, destructive: flags.destructive === true }
  const transport = await openTransport(flags, env)
  try {
    const plans = await planStreams(events, transport, options)
    const isBlocked = plans.some(
      (plan) => isDestructive(plan) && !(options.destructive && plan.impossible.length === 0),
    )
    if (verb === 'apply' && !isBlocked) {
      await ensureStreams(events, transport, options)
      terminal.note(await keepContract(events, transport, { name: flags.name, replicas: options.defaults?.replicas }))
    }
    const isDone = verb === 'apply' && !isBlocked
    if (flags.json)
      terminal.out(JSON.stringify(plans.map((plan) => ({ ...plan, applied: isDone && plan.did !== 'unchanged' }))))
    else for (const line of describe(plans, isDone, terminal.paint)) terminal.out(line)
    if (!isBlocked) return verb === 'plan' && plans.some(isDestructive) ? EXIT.failedCheck : EXIT.done
    if (!flags.json)
      terminal.note(
        `No stream is changed. ${plans.some(({ impossible }) => impossible.length > 0) ? 'Make another stream and copy.' : 'If the loss is meant, give --destructive.'}`,
      )
    return EXIT.failedCheck
  } finally {
    await transport.close()
  }
}

/** The streams are as declared. A contract that can't be kept is reported, and does not undo that. */
async function keepContract(
  events: Events,
  transport: Transport,
  settings: { readonly name: string; readonly replicas: number | undefined },
): Promise<string> {
  try {
    await storeContract(transport, { ...settings, events: describeContract(events) })
    return `The contract is kept in NATS as ${settings.name}.`
  } catch (error) {
    if (!isSpanwireError(error, 'permission-denied')) throw error
    return `The contract is not kept in NATS: ${error.message}. It needs permission to publish to $KV.${BUCKET}.>.`
  }
}

function isDestructive({ losses, impossible }: StreamPlan): boolean {
  return losses.length > 0 || impossible.length > 0
}

const VERBS = {
  created: ['would be made', 'made'],
  updated: ['would change', 'changed'],
  unchanged: ['is as declared', 'is as declared'],
} as const

function describe(plans: readonly StreamPlan[], isDone: boolean, paint: CommandContext['terminal']['paint']): string[] {
  if (plans.length === 0) return ['No event of the contract is kept in a stream.']
  return plans.flatMap(({ stream, did, changes, losses, impossible, before, after }) => {
    const tone = losses.length > 0 || impossible.length > 0 ? 'bad' : did === 'unchanged' ? 'dim' : 'good'
    const lines = [`${paint('name', stream)} ${paint(tone, VERBS[did][isDone ? 1 : 0])}`]
    const fields = did === 'created' ? changes.filter((field) => field !== 'name') : changes
    for (const field of fields) {
      const from = before === undefined ? '' : `${JSON.stringify(before[field])} -> `
      lines.push(`  ${field}: ${from}${JSON.stringify(after[field])}`)
    }
    for (const loss of losses) lines.push(`  ${paint('bad', 'loses data:')} ${loss}`)
    for (const field of impossible) lines.push(`  ${paint('bad', 'impossible:')} JetStream can't change ${field}`)
    return lines
  })
}
