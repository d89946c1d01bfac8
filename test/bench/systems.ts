import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { connect as connectNats } from 'nats'
import { root } from '../build/source-files.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'
import { startHost } from '../support/process-host.ts'
import { startWorkerd } from '../support/workerd-process.ts'
import { type ClientProtocol, PROTOCOLS, type ProtocolName } from './protocols.ts'
import { encodeFrame, openRawSocket } from './raw-socket.ts'

const run = promisify(execFile)

/** A server under measurement. */
export interface System extends AsyncDisposable {
  readonly url: string
  readonly protocol: ProtocolName
  /** Processes that serve the clients. */
  readonly pids: readonly number[]
  /** The broker behind them. Default: none. */
  readonly brokers?: readonly number[]
  /** Fraction of the messages to send, for slow systems. Default 1. */
  readonly part?: number
  publish(subject: string, payload: string): void
}

/** Folder of systems for comparison, which are not dependencies of the package. */
const peers = join(root, '.cache/bench')

/** Systems whose costs with more subscribers and subjects are measured by default. */
export const GROWING: readonly string[] = ['nats-server', 'Spanwire on Node', 'Spanwire on Bun']

/** All systems, by their names in the table. */
export const SYSTEMS: Record<string, () => Promise<System>> = {
  'nats-server': async () => {
    const { server, publish, stop } = await startBroker()
    return { url: server.wsUrl, protocol: 'nats', pids: [server.pid], publish, [Symbol.asyncDispose]: stop }
  },
  'Spanwire on Node': () => spanwire('node'),
  'Spanwire on Node (10 ms window)': () => spanwire('node', 10),
  'Spanwire on Bun': () => spanwire('bun'),
  'Spanwire on workerd': () => onWorkerd('test/bench/peers/spanwire-worker.ts', 'SpanwireHub', 'HUB', 'nats'),
  'Spanwire on workerd (10 ms window)': () =>
    onWorkerd('test/bench/peers/spanwire-worker-window.ts', 'SpanwireHub', 'HUB', 'nats'),
  'Node floor (no NATS)': () => startProcess(process.execPath, ['test/bench/peers/floor-node.ts'], 'floor'),
  'workerd floor (no NATS)': () => onWorkerd('test/bench/peers/floor-workerd.ts', 'Floor', 'FLOOR', 'floor'),
  'hand-written bridge': async () => {
    const { server, publish, stop } = await startBroker()
    const system = await startProcess(process.execPath, ['test/bench/peers/by-hand.ts', server.url], 'lines')
    return {
      ...system,
      brokers: [server.pid],
      part: 0.1,
      publish,
      async [Symbol.asyncDispose]() {
        await system[Symbol.asyncDispose]()
        await stop()
      },
    }
  },
  'Bun publish (no NATS)': () =>
    startProcess(join(root, 'node_modules/.bin/bun'), ['test/bench/peers/bun-publish.ts'], 'lines'),
  'Socket.IO (no NATS)': async () => {
    await install('socket.io@4.8.4')
    await cp(join(root, 'test/bench/peers/socket-io.mjs'), join(peers, 'socket-io.mjs'))
    return { ...(await startProcess(process.execPath, [join(peers, 'socket-io.mjs')], 'socketIo')), part: 0.1 }
  },
  'PartyServer on workerd (no NATS)': async () => {
    await install('partyserver@0.5.10')
    return { ...(await onWorkerd('test/bench/peers/party-server.ts', 'Bench', 'Bench', 'party')), part: 0.02 }
  },
}

async function spanwire(runtime: 'node' | 'bun', flushWindow = 0): Promise<System> {
  const { server, publish, stop } = await startBroker()
  const host = await startHost(runtime, { upstream: server.url, auth: openToAll, flushWindow })
  return {
    url: host.url,
    protocol: 'nats',
    pids: [host.pid],
    brokers: [server.pid],
    publish,
    async [Symbol.asyncDispose]() {
      await host.stop()
      await stop()
    },
  }
}

/** A publisher of the benchmark. */
interface Publisher {
  publish(subject: string, payload: string): void
  stop(): Promise<void>
}

/** Starts nats-server and a service that publishes to it. */
async function startBroker(): Promise<Publisher & { readonly server: NatsServer }> {
  const server = await startNatsServer()
  const publisher = await connectNats({ servers: server.url })
  return {
    server,
    publish: (subject, payload) => publisher.publish(subject, Buffer.from(payload)),
    async stop() {
      await publisher.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Lets a client of the system publish, for systems without a broker. */
async function openPublisher(url: string, name: ProtocolName): Promise<Publisher> {
  const { path, publish, joined }: ClientProtocol = PROTOCOLS[name]
  const socket = await openRawSocket(new URL(path, url).href, () => {})
  if (name === 'socketIo') {
    socket.write(encodeFrame('40'))
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  let pending: string[] = []
  const send = () => {
    socket.write(encodeFrame(pending.join('\n')))
    pending = []
  }
  return {
    publish(subject, payload) {
      pending.push(publish?.(subject, payload) ?? '')
      if (!joined) send()
      else if (pending.length === 1) queueMicrotask(send)
    },
    stop: async () => void socket.destroy(),
  }
}

async function startProcess(command: string, args: string[], protocol: ProtocolName): Promise<System> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await listening(child)
  const { publish, stop } = await openPublisher(url, protocol)
  return {
    url,
    protocol,
    pids: [child.pid ?? 0],
    publish,
    async [Symbol.asyncDispose]() {
      await stop()
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await ended
    },
  }
}

function listening(child: ChildProcess): Promise<string> {
  let output = ''
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      output += chunk
      const [, url] = /listening on (\S+) /.exec(output) ?? []
      if (url) resolve(url)
    })
    child.once('exit', (code) => reject(new Error(`It ended with ${code}: ${output}`)))
  })
}

async function onWorkerd(main: string, className: string, binding: string, protocol: ProtocolName): Promise<System> {
  const broker = protocol === 'nats' ? await startBroker() : undefined
  const vars: Record<string, string> = broker ? { UPSTREAM_URL: broker.server.url } : {}
  const packages = join(peers, 'node_modules')
  const workerd = await startWorkerd({ main, className, binding, vars, packages })
  const { publish, stop } = broker ?? (await openPublisher(workerd.url, protocol))
  return {
    url: workerd.url,
    protocol,
    pids: [workerd.pid],
    ...(broker && { brokers: [broker.server.pid] }),
    publish,
    async [Symbol.asyncDispose]() {
      await workerd[Symbol.asyncDispose]()
      await stop()
    },
  }
}

async function install(what: string): Promise<void> {
  await mkdir(peers, { recursive: true })
  const names = await readdir(peers)
  if (!names.includes('package.json'))
    await writeFile(join(peers, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const { dependencies = {} } = JSON.parse(await readFile(join(peers, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>
  }
  const [name = '', version] = what.split('@')
  if (dependencies[name] !== version)
    await run('npm', ['install', '--save-exact', '--no-audit', '--no-fund', what], { cwd: peers })
}
