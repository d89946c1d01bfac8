import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, onFreePorts } from '../../demo/setup/free-port.ts'
import { findNatsServer, installHint } from '../../demo/setup/nats-server.ts'
import type { Certificate } from './certificate.ts'
import { eventually } from './eventually.ts'

/** A real nats-server for one test, on loopback. */
export interface NatsServer {
  /** URL for TCP clients, such as `nats://127.0.0.1:4222`. */
  readonly url: string
  /** URL for WebSocket clients. */
  readonly wsUrl: string
  readonly port: number
  readonly wsPort: number
  /** URL of its HTTP monitoring, for `/connz` and `/subsz`. */
  readonly monitorUrl: string
  readonly version: string
  readonly pid: number
  /** Ends the process. `restart` starts it again. Idempotent. */
  stop(): Promise<void>
  /** Starts it again on the same ports with the same store, after ending it if necessary. */
  restart(): Promise<void>
  /** Suspends the process. Its connections stay open without a response. */
  pause(): void
  resume(): void
  [Symbol.asyncDispose](): Promise<void>
}

export interface NatsServerOptions {
  /** Additional lines for its configuration file. */
  readonly config?: string
  /** Turns JetStream on, with a store in a temporary folder. */
  readonly jetstream?: boolean
  /** Encrypts both listeners: `tls://` and `wss://`. */
  readonly certificate?: Certificate
  /** Starts TLS before INFO over TCP (nats-server 2.10 and later). */
  readonly handshakeFirst?: boolean
}

/** Starts the nats-server of this test run: `NATS_SERVER`, or the newest one available. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const found = await findNatsServer()
  if (!found) throw new Error(`These tests need nats-server. ${installHint}`)
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-nats-'))
  return onFreePorts(() => start(found.path, found.version, folder, options))
}

async function start(path: string, version: string, folder: string, options: NatsServerOptions): Promise<NatsServer> {
  const [port, wsPort, monitorPort] = await Promise.all([freePort(), freePort(), freePort()])
  const file = join(folder, 'nats.conf')
  const { certificate, handshakeFirst } = options
  const files = certificate && `cert_file: "${certificate.certFile}", key_file: "${certificate.keyFile}"`
  const tls = files && `tls { ${files} }`
  const lines = [
    `listen: "127.0.0.1:${port}"`,
    `http: "127.0.0.1:${monitorPort}"`,
    `websocket { listen: "127.0.0.1:${wsPort}", ${tls ?? 'no_tls: true'} }`,
    files ? `tls { ${files}${handshakeFirst ? ', handshake_first: true' : ''} }` : '',
    options.jetstream ? `jetstream { store_dir: "${join(folder, 'store')}" }` : '',
    options.config ?? '',
  ]
  await writeFile(file, lines.join('\n'))
  let child = await launch(path, file, [port, wsPort, monitorPort])

  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGCONT')
    child.kill('SIGKILL')
    await ended
  }
  const dispose = async () => {
    await stop()
    await rm(folder, { recursive: true, force: true })
  }
  return {
    url: `${tls ? 'tls' : 'nats'}://127.0.0.1:${port}`,
    wsUrl: `${tls ? 'wss' : 'ws'}://127.0.0.1:${wsPort}`,
    port,
    wsPort,
    monitorUrl: `http://127.0.0.1:${monitorPort}`,
    version,
    get pid() {
      return child.pid ?? 0
    },
    stop,
    async restart() {
      await stop()
      child = await launch(path, file, [port, wsPort, monitorPort])
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    [Symbol.asyncDispose]: dispose,
  }
}

async function launch(path: string, file: string, ports: readonly number[]): Promise<ChildProcess> {
  const child = spawn(path, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  const endWithTests = () => child.kill('SIGKILL')
  process.once('exit', endWithTests)
  child.once('exit', () => process.off('exit', endWithTests))
  let log = ''
  child.stderr.on('data', (chunk) => {
    log = (log + chunk).slice(-4096)
    if (process.env.NATS_LOG) appendFileSync(`${process.env.NATS_LOG}.${ports[0]}`, chunk)
  })
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`nats-server ended with ${code}:\n${log}`)))
  })
  failed.catch(() => {})
  await Promise.race([failed, eventually(() => log.includes('Server is ready'), { what: 'nats-server to be ready' })])
  await Promise.race([failed, ...[Promise.all(ports.map(reachable))]])
  return child
}

function reachable(port: number): Promise<void> {
  return eventually(
    () =>
      new Promise<true>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.destroy()
          resolve(true)
        })
        socket.once('error', reject)
      }),
    { what: `port ${port}` },
  ).then(() => {})
}
