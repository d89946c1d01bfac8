import { access } from 'node:fs/promises'
import { Option } from 'commander'
import { messageOf } from '../../sdk/kit/error-text.ts'
import type { AddCommand, CommandContext } from './command.ts'
import { readNumber } from './connection/connection-options.ts'
import { withoutPassword } from './connection/when-open.ts'
import type { EventDescription } from './contract/event-description.ts'
import type { DevServer } from './dev/dev-server.ts'
import { requireNatsClient } from './runtime/nats-client.ts'
import { aborted } from './runtime/signals.ts'
import { loadConfig } from './settings/config-file.ts'

interface DevFlags {
  readonly upstream: string
  readonly port?: number
  readonly host: string
  readonly json?: boolean
}

const DEFAULT_PORT = 8080
/** Paths that are searched for a contract if none is named. */
const USUAL = ['events.ts', 'src/events.ts', 'events.js', 'src/events.js', 'events.mjs']

/** `spanwire dev`: everything for a first event, on this machine. */
export const addDev: AddCommand = (program, context) => {
  program
    .command('dev')
    .description(
      'run a bridge for development, with a playground page; makes the streams of the contract and reloads it',
    )
    .argument(
      '[contract]',
      `the module that exports it (default: "contract" of spanwire.config.ts, or ${USUAL.slice(0, 2).join(' or ')})`,
    )
    .option(
      '--upstream <url>',
      'NATS, such as nats://127.0.0.1:4222; embedded:/path/of/file.db keeps streams',
      'embedded',
    )
    .addOption(
      new Option('--port <number>', `port to listen on (default: ${DEFAULT_PORT}, or the next that is free)`).argParser(
        (text) => readNumber('--port', text, 0, 65_535),
      ),
    )
    .option('--host <address>', 'address to listen on: 0.0.0.0 lets other machines in', '127.0.0.1')
    .option('--json', 'write one line of JSON to stdout when it listens')
    .action(async (place: string | undefined, flags: DevFlags) => run(place, flags, context))
}

async function run(given: string | undefined, flags: DevFlags, context: CommandContext): Promise<void> {
  const [{ readContract }, { splitPlace }, { watchModule }, { startDevServer }, devState] = await Promise.all([
    import('./contract/read-contract.ts'),
    import('./contract/load-contract.ts'),
    import('./dev/contract-watch.ts'),
    import('./dev/dev-server.ts'),
    import('./connection/dev-state.ts'),
  ])
  requireNatsClient(flags.upstream)
  const { config } = await loadConfig()
  const place = given ?? config.contract ?? (await findUsual())
  const started = Promise.withResolvers<() => void>()
  const changed = () => void started.promise.then((reload) => reload())
  // Before the contract is read, so that no change is missed.
  const unwatch = place === undefined ? () => {} : await watchModule(splitPlace(place)[0], changed)
  const events = place === undefined ? [] : await readContract(place)
  const state = await devState.readDevState()
  const dev = await startDevServer({
    state,
    port: flags.port ?? DEFAULT_PORT,
    isPortFree: flags.port === undefined,
    host: flags.host,
    upstream: flags.upstream,
    contract: place,
    events,
  })
  const stop = context.stopSignal()
  try {
    const made = await tryStreams(dev, events, config.streams ?? {})
    await devState.writeDevState({ ...state, url: dev.url })
    const { adminKey, monitoringKey } = state
    if (flags.json)
      context.terminal.out(
        JSON.stringify({
          url: dev.url,
          token: dev.token,
          adminKey,
          monitoringKey,
          contract: place,
          streams: made.streams,
        }),
      )
    else
      for (const line of greeting(dev, { ...flags, place, events, made: made.text, adminKey, monitoringKey }, context))
        context.terminal.out(line)
    if (place !== undefined) started.resolve(reloader(place, dev, config.streams ?? {}, context))
    await aborted(stop)
  } finally {
    unwatch()
    await dev.server.close()
  }
}

async function findUsual(): Promise<string | undefined> {
  for (const path of USUAL) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
  return undefined
}

type StreamSettings = NonNullable<Awaited<ReturnType<typeof loadConfig>>['config']['streams']>

/** A stream that can't be made is reported. The rest of the contract works. */
async function tryStreams(dev: DevServer, events: readonly EventDescription[], options: StreamSettings) {
  const { makeStreams } = await import('./dev/dev-server.ts')
  try {
    const changes = await makeStreams(dev, events, options)
    const text = changes.map(({ stream, did }) => `${stream} ${did === 'created' ? 'made' : did}`).join(', ')
    return { streams: changes, text }
  } catch (error) {
    return { streams: [], text: `not made: ${messageOf(error)}` }
  }
}

/** Returns a function that reads the contract again. Its calls run one after the other. */
function reloader(place: string, dev: DevServer, streams: StreamSettings, { terminal }: CommandContext): () => void {
  let reading = Promise.resolve()
  const read = async () => {
    try {
      const { readContract } = await import('./contract/read-contract.ts')
      const events = await readContract(place)
      if (JSON.stringify(events) === JSON.stringify(dev.playground.state.events)) {
        if (dev.playground.state.problem !== undefined) dev.playground.set({ problem: undefined })
        return
      }
      const { text } = await tryStreams(dev, events, streams)
      dev.playground.set({ events, problem: undefined })
      terminal.out(`${place} reloaded: ${countOf(events)}${text === '' ? '' : `; streams: ${text}`}`)
    } catch (error) {
      const problem = messageOf(error)
      dev.playground.set({ problem })
      terminal.note(`${terminal.paintNote('bad', 'spanwire:')} ${problem} The contract before it stays.`)
    }
  }
  return () => {
    reading = reading.then(read)
  }
}

function countOf(events: readonly EventDescription[]): string {
  return `${events.length} event${events.length === 1 ? '' : 's'}`
}

interface Greeting extends DevFlags {
  readonly place: string | undefined
  readonly events: readonly EventDescription[]
  readonly made: string
  readonly adminKey: string
  readonly monitoringKey: string
}

function greeting({ url, token, playground }: DevServer, given: Greeting, { terminal }: CommandContext): string[] {
  const { paint } = terminal
  const { place, events, made, adminKey, monitoringKey, upstream } = given
  const row = (name: string, value: string) => `  ${paint('dim', name.padEnd(14))}${value}`
  const where = upstream.startsWith('embedded') ? '' : ` at ${withoutPassword(upstream)}`
  const first = events[0]?.name ?? '>'
  return [
    '',
    row('Page', paint('name', `${url}/`)),
    row('Inspector', paint('name', `${url}${playground.state.inspector}`)),
    row('Bridge', `${url}/nats, open to pages of localhost`),
    row('Broker', `${playground.state.broker}${where}`),
    row('Contract', place === undefined ? 'none: write events.ts, and start again' : `${place}, ${countOf(events)}`),
    ...(made === '' ? [] : [row('Streams', made)]),
    row('Token', token),
    row('Admin key', adminKey),
    row('Monitoring', `${monitoringKey}  (${url}/varz, /connz, /subsz, /metrics)`),
    '',
    `  Next: open ${url}/ and publish an event, or run  npx spanwire tail '${first}'`,
    '',
  ]
}
