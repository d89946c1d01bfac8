import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startChild } from './child.ts'
import { freePort } from './free-port.ts'
import { findNatsServer, installHint } from './nats-server.ts'
import { until } from './until.ts'

/** The broker behind the demo's bridge. */
export interface Broker {
  /** `nats://…`, or `embedded`. */
  readonly url: string
  /** What it is and where it came from, for people. */
  readonly description: string
  /** Rejects when it ends for good without having been stopped. Never resolves. */
  readonly failure: Promise<never>
  /** Ends it and removes what it stored. */
  stop(): Promise<void>
}

const SOURCES = {
  NATS_SERVER: 'named by NATS_SERVER',
  PATH: 'found in PATH',
  cache: 'found in the cache',
  fetched: 'fetched now into the cache',
}

/** How long nats-server stays away after it ended by itself, in ms: long enough to see what the page makes of it. */
const OUTAGE = 3_000
/** One that ends sooner after its start, in ms, would do so again. */
const SHORTEST_LIFE = 1_000

/**
 * Starts nats-server on a free port of loopback, or answers with the embedded upstream where there is none. If somebody
 * pulls its plug it comes back with what it had stored, as it would in earnest.
 */
export async function startBroker(): Promise<Broker> {
  const found = await findNatsServer()
  if (!found) {
    const description = `embedded in the bridge, because no nats-server was found.\n${installHint}`
    return { url: 'embedded', description, failure: new Promise<never>(() => {}), stop: async () => {} }
  }
  const { path } = found
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-demo-'))
  const port = await freePort()
  const config = join(folder, 'nats.conf')
  await writeFile(config, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${join(folder, 'store')}" }\n`)
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => {})
  let stopping = false
  let child = start()
  function start() {
    const born = performance.now()
    const started = startChild({ name: 'nats-server', command: path, args: ['-c', config] })
    started.failure.catch(async (error: Error) => {
      if (performance.now() - born < SHORTEST_LIFE) return failure.reject(error)
      console.log(`${error.message.split(':', 1)[0]}. It comes back in ${OUTAGE / 1_000} s …`)
      await pause(OUTAGE)
      if (!stopping) child = start()
    })
    return started
  }
  const stop = async () => {
    stopping = true
    await child.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await Promise.race([failure.promise, until(() => accepts(port), 10_000, 'Starting nats-server')])
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    description: `nats-server ${found.version} (${SOURCES[found.source]}: ${path})`,
    failure: failure.promise,
    stop,
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
