import { Option } from 'commander'
import type { AddCommand, CommandContext } from './command.ts'
import { readNumber } from './connection/connection-options.ts'
import { requireNatsClient } from './runtime/nats-client.ts'
import { aborted } from './runtime/signals.ts'

interface RelayFlags {
  readonly upstream?: string
  readonly port?: number
  readonly host: string
  readonly json?: boolean
}

const DEFAULT_UPSTREAM = 'nats://127.0.0.1:4222'

/** `spanwire relay`: the relays of a file, until SIGTERM. See bridge/relay. */
export const addRelay: AddCommand = (program, context) => {
  program
    .command('relay')
    .description(
      'run the relays of a module that exports events and relays, with /healthz and /metrics; SIGTERM drains',
    )
    .argument('<file>', 'the module, such as relays.ts')
    .option('--upstream <url>', `NATS, unless the module exports a transport [NATS_URL] (default: ${DEFAULT_UPSTREAM})`)
    .addOption(
      new Option('--port <number>', 'port of /healthz and /metrics, 0 for any that is free (default: 8788)').argParser(
        (text) => readNumber('--port', text, 0, 65_535),
      ),
    )
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--json', 'write one line of JSON to stdout when it listens')
    .action(async (file: string, flags: RelayFlags) => run(file, flags, context))
}

async function run(file: string, flags: RelayFlags, { terminal, env, stopSignal }: CommandContext): Promise<void> {
  const upstream = flags.upstream ?? (env.NATS_URL || DEFAULT_UPSTREAM)
  requireNatsClient(upstream)
  const { runRelay } = await import('../relay/run.ts')
  const { url, ended, drain } = await runRelay(file, {
    nats: upstream,
    host: flags.host,
    signals: false,
    ...(flags.port !== undefined && { port: flags.port }),
  })
  if (flags.json) terminal.out(JSON.stringify({ url }))
  else terminal.note(`spanwire: relaying; ${url}/healthz, /metrics and /relays. SIGTERM drains and ends it.`)
  const stop = stopSignal()
  void aborted(stop).then(drain)
  await ended
}
