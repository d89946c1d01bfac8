import { createServer } from 'node:net'
import process from 'node:process'
import { Option } from 'commander'
import type { Events } from '../../sdk/contract/contract.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { AddCommand, CommandContext } from './command.ts'
import { mainPath } from './main-path.ts'
import { runtime } from './runtime/runtime.ts'
import { aborted } from './runtime/signals.ts'
import { BRIDGE_SETTINGS } from './settings/bridge-settings.ts'
import type { BridgeRun } from './settings/read-settings.ts'

/** `spanwire bridge`: the bridge of a production system, until SIGTERM. */
export const addBridge: AddCommand = (program, context) => {
  const command = program
    .command('bridge')
    .description('run a bridge: by flags, environment variables or spanwire.config.ts, in this order')
    .option('--config <file>', 'configuration file (default: spanwire.config.ts, .js or .json of this folder)')
    .option('--json', 'write one line of JSON to stdout when it listens')
  for (const { flag, value, variable, isFile, help } of Object.values(BRIDGE_SETTINGS)) {
    if (flag === undefined) continue
    const usage = isFile ? `--${flag}-file <path>` : `--${flag} ${value}`
    const variables = variable === undefined ? '' : ` [${variable}${isFile ? `, ${variable}_FILE` : ''}]`
    command.addOption(new Option(usage, `${help}${variables}`))
  }
  command.action(async (options: Record<string, unknown>) => {
    const [{ loadConfig }, { readSettings }] = await Promise.all([
      import('./settings/config-file.ts'),
      import('./settings/read-settings.ts'),
    ])
    const config = await loadConfig(options.config as string | undefined)
    const run = await readSettings({ flags: toFlags(options), env: context.env, config })
    context.exitWith(await runBridge(run, options.json === true, context))
  })
}

/** Commander names options in camel case. */
function toFlags(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      value,
    ]),
  )
}

async function runBridge(run: BridgeRun, isJson: boolean, context: CommandContext): Promise<number> {
  const { workerPlace } = await import('./processes/worker-process.ts')
  const place = workerPlace(context.env)
  const { countOf, Supervisor } = await import('./processes/supervisor.ts')
  const count = countOf(run.processes)
  const { terminal } = context
  const announce = (url: string) => {
    const several = count > 1 ? ` by ${count} processes` : ''
    if (isJson) terminal.out(JSON.stringify({ url, pid: process.pid, processes: count }))
    else terminal.note(`spanwire: listening on ${url}${several}. SIGTERM drains and ends it.`)
  }
  if (place || count === 1) return serveUntilStopped(run, place, announce, context)
  if (run.isEmbedded)
    throw new SpanwireError(
      'invalid-argument',
      `processes is ${count}, but processes share nothing without NATS: set the upstream to a NATS server, or processes to 1.`,
    )
  const supervisor = new Supervisor({
    path: mainPath(),
    args: process.argv.slice(2),
    port: await sharedPort(run),
    count,
    patience: run.drainPatience,
    stop: context.stopSignal(),
    ready: announce,
    note: (line) => terminal.note(`spanwire: ${line}`),
  })
  return supervisor.run()
}

/** The port that processes share by SO_REUSEPORT. Undefined where `node:cluster` shares it. */
async function sharedPort(run: BridgeRun): Promise<number | undefined> {
  if (process.platform === 'linux') return findPort(run)
  if (runtime === 'node') return undefined
  throw new SpanwireError('unsupported', `Several processes share a port on ${runtime} on Linux only: use Node, or 1.`)
}

/**
 * Finds the port, and proves that it is free: with SO_REUSEPORT, processes would share it with those of another bridge.
 * @throws SpanwireError (as rejection) `connection-refused`
 */
async function findPort({ port, host }: BridgeRun): Promise<number> {
  const { cannotListen } = await import('../hosts/bridge-server.ts')
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (cause) => reject(cannotListen(host, port, cause)))
    server.listen(port, host, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function loadEvents({ contract }: BridgeRun): Promise<{ readonly events?: Events }> {
  if (contract === undefined) return {}
  const { loadContract } = await import('./contract/load-contract.ts')
  return { events: await loadContract(contract) }
}

type Place = ReturnType<typeof import('./processes/worker-process.ts')['workerPlace']>

async function serveUntilStopped(
  run: BridgeRun,
  place: Place,
  announce: (url: string) => void,
  context: CommandContext,
): Promise<number> {
  const [{ serveHere }, { onOrphaned, report }] = await Promise.all([
    import('./runtime/host.ts'),
    import('./processes/worker-process.ts'),
  ])
  const stop = context.stopSignal()
  const shared = place && { group: place.group, ...(place.port !== undefined && { port: place.port, reusePort: true }) }
  const contract = await loadEvents(run)
  const { options, close } = run.open()
  try {
    const server = await serveHere({ ...options, ...contract, ...shared })
    if (place) {
      report({ url: server.url })
      onOrphaned(() => void server.close().then(() => process.exit(0)))
    } else announce(server.url)
    await aborted(stop)
    await server.drain(run.drainPatience)
    return 0
  } finally {
    await close()
  }
}
