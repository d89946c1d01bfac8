/** Runs the relays of a file as a process, with `/healthz`, `/metrics` and a drain on SIGTERM. For Node. */
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import type { Events } from '../../sdk/contract/contract.ts'
import { messageOf } from '../../sdk/kit/error-text.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { RelayStatus } from './counts.ts'
import { writeRelayMetrics } from './metrics.ts'
import { type Relays, type RunningRelays, relay } from './relay.ts'

/** Exports of a file of relays, by name or as its default export. */
export interface RelayFile {
  /** The contract. */
  readonly events: Events
  /** Relays by name. */
  readonly relays: Relays
  /** The connection to NATS. Default: `nats()` with the URL of {@link RunRelayOptions.nats}. */
  readonly transport?: Transport
}

/** Options of {@link runRelay}. */
export interface RunRelayOptions {
  /** URL of NATS. Default: the environment's `NATS_URL`, or `nats://127.0.0.1:4222`. */
  readonly nats?: string
  /** Port of `/healthz` and `/metrics`. 0 selects a free port. Default 8788. */
  readonly port?: number
  /** Address to listen on. Default `127.0.0.1`. */
  readonly host?: string
  /** Whether SIGTERM and SIGINT drain the relays. Default true. */
  readonly signals?: boolean
}

/** Relays that run as a process. */
export interface RelayProcess {
  /** Base URL of `/healthz` and `/metrics`, such as `http://127.0.0.1:8788`. */
  readonly url: string
  /** The relays. */
  readonly running: RunningRelays
  /** Resolves after a drain. Rejects if a relay is refused. */
  readonly ended: Promise<void>
  /** Drains the relays, then closes the connection to NATS and the port. Idempotent. */
  drain(): Promise<void>
}

/**
 * Runs the relays that a module exports.
 *
 *     const { ended } = await runRelay('./relays.ts')
 *     await ended
 *
 * @param file a path from the working directory, or a URL. Not the calling module, which would wait for itself
 * @throws SpanwireError (as rejection) `invalid-argument` for a file that cannot be loaded, or lacks `events` or `relays`
 */
export async function runRelay(file: string | URL, options: RunRelayOptions = {}): Promise<RelayProcess> {
  const { host = '127.0.0.1', port = 8_788, signals = true } = options
  const loaded = await loadRelays(file)
  const url = options.nats ?? process.env.NATS_URL ?? 'nats://127.0.0.1:4222'
  const transport = loaded.transport ?? nats({ url, name: 'spanwire relay' })
  const running = relay(loaded.events, loaded.relays, { transport })
  const server = createServer((request, response) => answer(request.url ?? '', running.status, response))
  await listen(server, port, host)
  const ended = Promise.withResolvers<void>()
  let draining: Promise<void> | undefined
  const drain = () => {
    draining ??= (async () => {
      await running.drain()
      await transport.close()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      for (const signal of SIGNALS) process.off(signal, drain)
      ended.resolve()
    })()
    return draining
  }
  if (signals) for (const signal of SIGNALS) process.once(signal, drain)
  const outcome = running.ready.then(
    () => ended.promise,
    async (error) => {
      const isDrained = draining !== undefined
      await drain()
      if (!isDrained) throw error
    },
  )
  outcome.catch(() => {})
  const { port: own } = server.address() as AddressInfo
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${own}`, running, ended: outcome, drain }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

async function loadRelays(file: string | URL): Promise<RelayFile> {
  const url = file instanceof URL ? file.href : pathToFileURL(resolve(file)).href
  const module = await import(url).catch((cause) => {
    throw new SpanwireError('invalid-argument', `${file} cannot be loaded: ${messageOf(cause)}`, { cause })
  })
  const { events, relays, transport } = { ...Object(module.default), ...module } as Partial<RelayFile>
  if (!events || !relays)
    throw new SpanwireError('invalid-argument', `${file} must export "events" (a contract) and "relays" (into, outOf).`)
  return { events, relays, ...(transport && { transport }) }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((done, reject) => {
    server.once('error', (cause) =>
      reject(new SpanwireError('invalid-argument', `Cannot listen on ${host}:${port}: ${cause.message}`, { cause })),
    )
    server.listen(port, host, done)
  })
}

function answer(path: string, status: readonly RelayStatus[], response: ServerResponse): void {
  const send = (code: number, type: string, body: string) => {
    response.writeHead(code, { 'Content-Type': type, 'Cache-Control': 'no-store' })
    response.end(body)
  }
  if (path === '/metrics') return send(200, 'text/plain; version=0.0.4', writeRelayMetrics(status))
  if (path === '/relays') return send(200, 'application/json', JSON.stringify(status))
  if (path !== '/healthz') return send(404, 'text/plain', 'Use /healthz, /metrics or /relays.\n')
  const ill = status.filter(({ state, stoppedLanes }) => state !== 'running' || stoppedLanes.length > 0)
  const problems = ill.map(({ name, state, problem, stoppedLanes }) => ({ name, state, problem, stoppedLanes }))
  send(ill.length === 0 ? 200 : 503, 'application/json', JSON.stringify({ healthy: ill.length === 0, problems }))
}
