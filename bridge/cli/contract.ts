import { writeFile } from 'node:fs/promises'
import { Option } from 'commander'
import { toAsyncApi } from '../../sdk/asyncapi/index.ts'
import { messageOf } from '../../sdk/kit/error-text.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { AddCommand, CommandContext } from './command.ts'
import { addConnectionOptions, type ConnectionFlags, openTransport } from './connection/connection-options.ts'
import type { Affected, ContractBreak, EventChange } from './contract/compare-contracts.ts'
import { contractOf, contractPlace } from './contract/contract-option.ts'
import type { EventDescription } from './contract/event-description.ts'
import { EXIT } from './terminal/exit-code.ts'
import type { Tone } from './terminal/terminal.ts'

/** `spanwire contract docs|check`. */
export const addContract: AddCommand = (program, context) => {
  const contract = program
    .command('contract')
    .description('write a contract as documentation, and compare two versions')
  contract
    .command('docs')
    .description('write a contract as AsyncAPI 3 (JSON), or as a page of HTML')
    .argument('[contract]', 'the module that exports it (default: "contract" of spanwire.config.ts)')
    .option('--html', 'a page of HTML instead, without scripts')
    .option('--title <text>', 'its title', 'Events')
    .option('--contract-version <text>', 'its version', '1.0.0')
    .option('--url <url>', 'where it is spoken: a bridge or NATS')
    .option('--out <file>', 'write it to a file (default: stdout)')
    .action(async (place: string | undefined, flags: DocsFlags) => docs(place, flags, context))
  const check = contract
    .command('check')
    .description('exits with 1 if a new contract does not work with programs that are deployed with an old one')
    .argument('[old]', 'a module, or what "contract docs" wrote (.json); one argument alone is the new one')
    .argument('[new]', 'the same of the new one (default: "contract" of spanwire.config.ts)')
    .option('--deployed', 'the old one is what "streams apply" kept in NATS (default without <old>)')
    .option('--name <name>', 'the name under which it is kept', 'default')
    .addOption(
      new Option('--for <side>', 'the deployed programs that count')
        .choices(['all', 'publishers', 'subscribers'])
        .default('all', 'all'),
    )
    .option('--json', 'a JSON array')
  addConnectionOptions(check).action(async (one: string | undefined, other: string | undefined, flags: CheckFlags) => {
    context.exitWith(await compare(one, other, flags, context))
  })
}

interface DocsFlags {
  readonly html?: boolean
  readonly title: string
  readonly contractVersion: string
  readonly url?: string
  readonly out?: string
}

async function docs(place: string | undefined, flags: DocsFlags, { terminal }: CommandContext): Promise<void> {
  const { html, title, contractVersion: version, url, out } = flags
  const events = await contractOf(place)
  let text: string
  if (html) {
    const [{ describeContract }, { contractHtml }] = await Promise.all([
      import('./contract/event-description.ts'),
      import('./contract/contract-html.ts'),
    ])
    text = contractHtml(describeContract(events), { title, version })
  } else text = JSON.stringify(toAsyncApi(events, { title, version, ...(url !== undefined && { url }) }), null, 2)
  if (out === undefined) return terminal.out(text.trimEnd())
  try {
    await writeFile(out, `${text.trimEnd()}\n`)
  } catch (cause) {
    throw new SpanwireError('invalid-argument', `--out names ${out}, which can't be written (${messageOf(cause)}).`, {
      cause,
    })
  }
  terminal.note(`Wrote ${out}`)
}

interface CheckFlags extends ConnectionFlags {
  readonly deployed?: boolean
  readonly name: string
  readonly for: 'all' | 'publishers' | 'subscribers'
  readonly json?: boolean
}

/** Senders and receivers of events and answers. */
const SIDES: Readonly<Record<Affected, CheckFlags['for']>> = {
  publishers: 'publishers',
  requesters: 'publishers',
  subscribers: 'subscribers',
  responders: 'subscribers',
}

/** The contract that `streams apply` kept last. */
async function readKept(flags: CheckFlags, { env }: CommandContext): Promise<readonly EventDescription[]> {
  const { noContract, readDeployed } = await import('./contract/deployed-contracts.ts')
  const transport = await openTransport(flags, env)
  try {
    const kept = await readDeployed(transport, flags.name)
    if (!kept) throw noContract(flags.name)
    return kept.events
  } finally {
    await transport.close()
  }
}

async function compare(
  one: string | undefined,
  other: string | undefined,
  flags: CheckFlags,
  context: CommandContext,
): Promise<number> {
  const { terminal } = context
  const isDeployed = flags.deployed === true || other === undefined
  if (flags.deployed && other !== undefined)
    throw new SpanwireError('invalid-argument', '--deployed is the old contract: give the new one alone.')
  const [{ readEvents }, { compareContracts }] = await Promise.all([
    import('./contract/asyncapi-contract.ts'),
    import('./contract/compare-contracts.ts'),
  ])
  const after = await readEvents(await contractPlace(other ?? one))
  const before = isDeployed ? await readKept(flags, context) : await readEvents(one ?? '')
  const changes = compareContracts(before, after).map((change) => ({
    ...change,
    breaks: change.breaks.filter(({ affects }) => flags.for === 'all' || SIDES[affects] === flags.for),
  }))
  const count = changes.filter(({ breaks }) => breaks.length > 0).length
  if (flags.json) terminal.out(JSON.stringify(changes))
  else {
    for (const change of changes) for (const line of describe(change, terminal.paint)) terminal.out(line)
    const verdict =
      count === 0
        ? terminal.paintNote('good', 'Compatible with deployed programs.')
        : terminal.paintNote('bad', `Not compatible: ${count} of ${changes.length} events.`)
    terminal.note(verdict)
  }
  return count === 0 ? EXIT.done : EXIT.failedCheck
}

function describe(
  { event, verdict, notes, breaks }: EventChange,
  paint: CommandContext['terminal']['paint'],
): string[] {
  const tone: Tone = breaks.length > 0 ? 'bad' : verdict === 'unchanged' ? 'dim' : 'good'
  return [
    `${paint('name', event)}  ${paint(tone, verdict)}`,
    ...notes.map((note) => `  ${note}`),
    ...breaks.map((one) => `  ${paint(one.isUnclear ? 'warn' : 'bad', `breaks ${one.affects}:`)} ${explain(one)}`),
  ]
}

function explain({ path, reason, isUnclear }: ContractBreak): string {
  return `${path === '' ? '' : `${path} `}${reason}${isUnclear ? ' (not proved to work)' : ''}`
}
