/**
 * `npm start`: nats-server, the Worker in workerd, the page and the publishers, until Ctrl-C.
 *
 *     PORT         port of the page and the bridge, default 8787 or the next free port
 *     NATS_SERVER  path of nats-server, by default found or downloaded into .cache/
 *     --broker     kafka, rabbitmq or activemq: the flights of the east come from there, by a relay
 *     --embedded   the broker inside the bridge, also where nats-server is available
 *     --once       stops when the first event has arrived, for tests
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import process from 'node:process'
import { connect } from '../sdk/index.ts'
import { buildDemo } from './build.ts'
import { DEPARTED, events } from './events.ts'
import { embeddedBroker, startBroker } from './setup/broker.ts'
import type { ForeignBroker } from './setup/brokers/foreign-broker.ts'
import { startChild } from './setup/child.ts'
import { startControl } from './setup/control.ts'
import { FOREIGN_BROKERS, startFlightBroker } from './setup/foreign-flights.ts'
import { freePort } from './setup/free-port.ts'
import { startLocalWorker } from './setup/local-worker.ts'
import { ensureDemoStreams } from './streams.ts'
import { demoToken } from './token.ts'

/** Running parts, in the order of their start. */
const running: { stop(): Promise<void> }[] = []
const stopped = Promise.withResolvers<void>()
let stopping = false

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopped.resolve())
const parent = process.ppid
setInterval(() => process.ppid !== parent && stopped.resolve(), 1_000).unref()

try {
  await Promise.race([stopped.promise, start()])
  if (!process.argv.includes('--once')) await stopped.promise
} catch (error) {
  console.error(`\n${(error as Error).message}`)
  process.exitCode = 1
}
stopping = true
console.log('Stopping …')
for (const part of running.reverse()) await part.stop()
// A part may still be starting. Its processes end with this one.
process.exit()

async function start(): Promise<void> {
  const port = await choosePort()
  const isEmbedded = process.argv.includes('--embedded')
  console.log(`Starting ${isEmbedded ? '' : 'nats-server, '}the Worker and the page …`)
  const starting = isEmbedded ? Promise.resolve(embeddedBroker()) : startBroker()
  const [broker, , foreign] = await Promise.all([keep(starting), buildDemo(), startForeign()])
  broker.failure.catch(stopped.reject)
  const control = broker.kill && (await keep(startControl(broker.kill)))

  const secret = randomBytes(32).toString('base64url')
  const worker = await keep(startLocalWorker({ port, upstream: broker.url, secret, control: control?.url }))
  worker.child.failure.catch(stopped.reject)

  const url = `http://127.0.0.1:${port}`
  await ensureDemoStreams(url, secret)
  const overNats = broker.url !== 'embedded'
  if (foreign && !overNats)
    throw new Error('--broker needs a nats-server: the embedded broker accepts no other connections.')
  const names = !overNats ? ['edge'] : foreign ? ['edge', 'relay', 'foreign'] : ['edge', 'node']
  const env = foreign && { BROKER: foreign.kind, BROKER_URL: foreign.url }
  for (const name of names) startPublisher(name, { url, secret, upstream: broker.url, env })
  const east = foreign ? `by a relay from ${foreign.kind} ${foreign.version} (east)` : 'over NATS (east)'

  console.log(`
  Upstream    ${broker.description}${overNats ? `\n              at ${broker.url}` : ''}
  Bridge      Worker and Durable Object hub in workerd (wrangler dev), at ${url}/nats
  Publishers  recorded flights over HTTP${overNats ? ` (west) and ${east}` : ''}

  Open ${url}
  Ctrl-C stops everything.
`)
  if (process.argv.includes('--once')) await firstEvent(url, secret)
}

async function choosePort(): Promise<number> {
  const wanted = Number(process.env.PORT || 8787)
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > 65_535) {
    throw new Error(`PORT=${process.env.PORT} is not a port: give a number from 1 to 65535.`)
  }
  const port = await freePort(wanted).catch((error: Error) => {
    throw new Error(`Can't listen on port ${wanted} or one of the next 50 (${error.message}). Set PORT to another.`)
  })
  if (port !== wanted) console.log(`Port ${wanted} is busy. Using ${port}.`)
  return port
}

/** Registers a part to be stopped at the end. Stops it at once if the end has already begun. */
async function keep<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  const part = await starting
  if (stopping) await part.stop()
  else running.push(part)
  return part
}

/** The broker that `--broker` names. */
async function startForeign(): Promise<ForeignBroker | undefined> {
  const at = process.argv.indexOf('--broker')
  if (at < 0) return undefined
  const kind = FOREIGN_BROKERS.find((one) => one === process.argv[at + 1])
  if (!kind) throw new Error(`--broker ${process.argv[at + 1] ?? ''}: use ${FOREIGN_BROKERS.join(', ')}.`)
  return keep(startFlightBroker(kind))
}

interface PublisherPlace {
  readonly url: string
  readonly secret: string
  readonly upstream: string
  readonly env: Readonly<Record<string, string>> | undefined
}

function startPublisher(name: string, { url, secret, upstream, env: more }: PublisherPlace): void {
  const { NATS_URL: _, ...env } = process.env
  const child = startChild({
    name: `The ${name} publisher`,
    command: process.execPath,
    args: [join(import.meta.dirname, `publishers/${name}.ts`)],
    env: {
      ...env,
      SPANWIRE_URL: url,
      AUTH_SECRET: secret,
      ...(upstream !== 'embedded' && { NATS_URL: upstream }),
      ...more,
    },
  })
  child.failure.catch(stopped.reject)
  running.push(child)
}

async function firstEvent(url: string, secret: string): Promise<void> {
  const bus = connect({ url, events, token: () => demoToken(secret) })
  for await (const event of bus.subscribe(DEPARTED)) {
    console.log(`First event: ${event.subject}, ${(performance.now() / 1000).toFixed(1)} s after the start`)
    break
  }
  await bus.close()
}
