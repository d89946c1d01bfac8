import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { connect as connectNats } from 'nats'
import { root } from '../build/source-files.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { startHost } from '../support/process-host.ts'
import { PROTOCOLS, type ProtocolName } from './protocols.ts'
import { encodeFrame, openRawSocket } from './raw-socket.ts'
import { startWorkerd } from './workerd.ts'

const run = promisify(execFile)

/** A server under measurement. */
export interface System extends AsyncDisposable {
  readonly url: string
  readonly protocol: ProtocolName
  /** Whose CPU and memory count. A broker behind a bridge doesn't. */
  readonly pids: readonly number[]
  /** What part of the messages is enough, for those that take long. Default all. */
  readonly part?: number
  publish(subject: string, payload: string): void
}

const everything = { allow: ['>'], deny: [] }
const anonymous = { publish: everything, subscribe: everything }
/** Where what is only compared with is installed: not a dependency of the package. */
const peers = join(root, '.cache/bench')

/** All systems, by the names that the table gives them. */
export const SYSTEMS: Record<string, () => Promise<System>> = {
  'nats-server': async () => {
    const server = await startNatsServer()
    const publisher = await connectNats({ servers: server.url })
    return {
      url: server.wsUrl,
      protocol: 'nats',
      pids: [server.pid],
      publish: (subject, payload) => publisher.publish(subject, Buffer.from(payload)),
      async [Symbol.asyncDispose]() {
        await publisher.close()
        await server[Symbol.asyncDispose]()
      },
    }
  },
  'Spanwire on Node': () => spanwire('node'),
  'Spanwire on Node (10 ms window)': () => spanwire('node', 10),
  'Spanwire on Bun': () => spanwire('bun'),
  'Spanwire on workerd': () => onWorkerd('test/bench/peers/spanwire-worker.ts', 'SpanwireHub', 'HUB', 'nats'),
  'Spanwire on workerd (10 ms window)': () =>
    onWorkerd('test/bench/peers/spanwire-worker-window.ts', 'SpanwireHub', 'HUB', 'nats'),
  'hand-written bridge': async () => {
    const server = await startNatsServer()
    const publisher = await connectNats({ servers: server.url })
    const system = await startProcess(process.execPath, ['test/bench/peers/by-hand.ts', server.url], 'lines')
    return {
      ...system,
      part: 0.2,
      publish: (subject, payload) => publisher.publish(subject, Buffer.from(payload)),
      async [Symbol.asyncDispose]() {
        await publisher.close()
        await system[Symbol.asyncDispose]()
        await server[Symbol.asyncDispose]()
      },
    }
  },
  'Bun publish (no NATS)': () =>
    startProcess(join(root, 'node_modules/.bin/bun'), ['test/bench/peers/bun-publish.ts'], 'lines'),
  'Socket.IO (no NATS)': async () => {
    await install('socket.io@4.8.4')
    await cp(join(root, 'test/bench/peers/socket-io.mjs'), join(peers, 'socket-io.mjs'))
    return { ...(await startProcess(process.execPath, [join(peers, 'socket-io.mjs')], 'socketIo')), part: 0.2 }
  },
  'PartyServer on workerd (no NATS)': async () => {
    await install('partyserver@0.5.10')
    return { ...(await onWorkerd('test/bench/peers/party-server.ts', 'Bench', 'Bench', 'party')), part: 0.05 }
  },
}

async function spanwire(runtime: 'node' | 'bun', flushWindow = 0): Promise<System> {
  const server = await startNatsServer()
  const publisher = await connectNats({ servers: server.url })
  const host = await startHost(runtime, { upstream: server.url, auth: { anonymous }, flushWindow })
  return {
    url: host.url,
    protocol: 'nats',
    pids: [host.pid],
    publish: (subject, payload) => publisher.publish(subject, Buffer.from(payload)),
    async [Symbol.asyncDispose]() {
      await publisher.close()
      await host.stop()
      await server[Symbol.asyncDispose]()
    },
  }
}

async function startProcess(command: string, args: string[], protocol: ProtocolName): Promise<System> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await listening(child)
  const publisher = await openRawSocket(new URL(PROTOCOLS[protocol].path, url).href, () => {})
  if (protocol === 'socketIo') {
    publisher.write(encodeFrame('40'))
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return {
    url,
    protocol,
    pids: [child.pid ?? 0],
    publish: (subject, payload) =>
      void publisher.write(encodeFrame(PROTOCOLS[protocol].publish?.(subject, payload) ?? '')),
    async [Symbol.asyncDispose]() {
      publisher.destroy()
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
  const server = protocol === 'nats' ? await startNatsServer() : undefined
  const vars: Record<string, string> = server ? { UPSTREAM_URL: server.url } : {}
  const packages = join(peers, 'node_modules')
  const workerd = await startWorkerd({ main, className, binding, vars, packages })
  const publisher = server
    ? await connectNats({ servers: server.url })
    : await openRawSocket(new URL(PROTOCOLS[protocol].path, workerd.url).href, () => {})
  return {
    url: workerd.url,
    protocol,
    pids: [workerd.pid],
    publish(subject, payload) {
      if ('publish' in publisher) publisher.publish(subject, Buffer.from(payload))
      else publisher.write(encodeFrame(PROTOCOLS[protocol].publish?.(subject, payload) ?? ''))
    },
    async [Symbol.asyncDispose]() {
      if ('publish' in publisher) await publisher.close()
      else publisher.destroy()
      await workerd[Symbol.asyncDispose]()
      await server?.[Symbol.asyncDispose]()
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
