import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, startChild } from './child.ts'
import { freePort } from './free-port.ts'
import { findNatsServer, installHint } from './nats-server.ts'
import { until } from './until.ts'

/** The broker behind the demo's bridge. */
export interface Broker {
  /** `nats://…`, or `embedded`. */
  readonly url: string
  /** What it is and where it came from, for people. */
  readonly description: string
  readonly child?: Child
  /** Ends it and removes what it stored. */
  stop(): Promise<void>
}

const SOURCES = {
  NATS_SERVER: 'named by NATS_SERVER',
  PATH: 'found in PATH',
  cache: 'found in the cache',
  fetched: 'fetched now into the cache',
}

/** Starts nats-server on a free port of loopback, or answers with the embedded upstream where there is none. */
export async function startBroker(): Promise<Broker> {
  const found = await findNatsServer()
  if (!found) {
    const description = `embedded in the bridge, because no nats-server was found.\n${installHint}`
    return { url: 'embedded', description, stop: async () => {} }
  }
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-demo-'))
  const port = await freePort()
  const config = join(folder, 'nats.conf')
  await writeFile(config, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${join(folder, 'store')}" }\n`)
  const child = startChild({ name: 'nats-server', command: found.path, args: ['-c', config] })
  const stop = async () => {
    await child.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await Promise.race([child.failure, until(() => accepts(port), 10_000, 'Starting nats-server')])
  } catch (error) {
    await stop()
    throw error
  }
  const url = `nats://127.0.0.1:${port}`
  return { url, description: `nats-server ${found.version} (${SOURCES[found.source]}: ${found.path})`, child, stop }
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
