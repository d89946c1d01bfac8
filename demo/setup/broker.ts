import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Child, startChild } from './child.ts'
import { freePort } from './free-port.ts'
import { findNatsServer, installHint } from './nats-server.ts'
import { until } from './until.ts'

/** The broker behind the demo's bridge. */
export interface Broker {
  /** `nats://…`, or `embedded`. */
  readonly url: string
  /** Version and origin of the broker, to print. */
  readonly description: string
  /** Rejects when the broker ends permanently without a call of `stop`. Never resolves. */
  readonly failure: Promise<never>
  /** Ends nats-server with SIGKILL. It starts again by itself. Undefined for the embedded broker. */
  readonly kill?: () => void
  /** Stops the broker and deletes its data. */
  stop(): Promise<void>
}

const SOURCES = {
  NATS_SERVER: 'named by NATS_SERVER',
  PATH: 'found in PATH',
  cache: 'found in the cache',
  fetched: 'fetched now into the cache',
}

/** Delay before nats-server is started again after an unexpected end, in ms. The page shows the outage meanwhile. */
const OUTAGE = 3_000
/** A server that ends this soon after its start, in ms, is not started again. */
const SHORTEST_LIFE = 1_000

/** The broker inside the bridge. */
export function embeddedBroker(description = 'embedded in the bridge'): Broker {
  return { url: 'embedded', description, failure: new Promise<never>(() => {}), stop: async () => {} }
}

/**
 * Starts nats-server on a free port of loopback, or returns the embedded upstream if nats-server is unavailable.
 * A killed nats-server is started again with its data.
 */
export async function startBroker(): Promise<Broker> {
  const found = await findNatsServer()
  if (!found) return embeddedBroker(`embedded in the bridge, because no nats-server was found.\n${installHint}`)
  const { path } = found
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-demo-'))
  const port = await freePort()
  const config = join(folder, 'nats.conf')
  await writeFile(config, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${join(folder, 'store')}" }\n`)
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => {})
  let stopping = false
  let killed: Child | undefined
  let child = start()
  function start() {
    const born = performance.now()
    const started = startChild({ name: 'nats-server', command: path, args: ['-c', config] })
    started.failure.catch(async (error: Error) => {
      if (performance.now() - born < SHORTEST_LIFE && killed !== started) return failure.reject(error)
      console.log(`${error.message.split(':', 1)[0]}. It starts again in ${OUTAGE / 1_000} s …`)
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
    kill() {
      killed = child
      child.kill()
    },
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
