import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { onFreePorts } from '../free-port.ts'

/** A broker that a relay reads from or writes to. */
export type BrokerKind = 'kafka' | 'rabbitmq' | 'activemq' | 'artemis'

/** A real broker of this process, on loopback, with a store in a temporary folder. */
export interface ForeignBroker {
  readonly kind: BrokerKind
  /** The broker's version, such as `3.10.8`. */
  readonly version: string
  /** The address for clients, such as `amqp://127.0.0.1:5672`; `host:port` of Kafka. */
  readonly url: string
  /** The port of STOMP, where the broker speaks it. */
  readonly stompPort: number | undefined
  /** The process id of the broker. Another one after each {@link restart}. */
  readonly pid: number
  /** Ends the process with SIGKILL. Its store stays. */
  kill(): Promise<void>
  /** Kills the process if it runs, and starts it again on the same ports with the same store. */
  restart(): Promise<void>
  /** Ends the process and removes its store. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** How one kind of broker is started. */
export interface BrokerProcess {
  readonly kind: BrokerKind
  readonly version: string
  readonly url: string
  readonly stompPort?: number
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The port that accepts connections once the broker is ready. */
  readonly readyPort: number
  /** Checks more than the port, if that is needed. */
  readonly isReady?: () => Promise<boolean>
  /** Processes that it needs next to it, such as Erlang's port mapper. */
  readonly companion?: () => Promise<{ stop(): Promise<void> }>
}

/** A start takes 2 to 12 s on two cores, and longer next to other tests. In ms. */
const START = 90_000

/** Starts a broker and waits until it accepts clients. `describe` is called with the folder of its store. */
export function startForeignBroker(describe: (folder: string) => Promise<BrokerProcess>): Promise<ForeignBroker> {
  return onFreePorts(() => start(describe))
}

async function start(describe: (folder: string) => Promise<BrokerProcess>): Promise<ForeignBroker> {
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-broker-'))
  const broker = await describe(folder)
  const companion = await broker.companion?.()
  const log = join(folder, 'output.log')
  let child = await launch(broker, log).catch(async (error) => {
    await companion?.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    throw error
  })
  const kill = () => end(child, 'SIGKILL')
  const stop = async () => {
    await kill()
    await companion?.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  return {
    kind: broker.kind,
    version: broker.version,
    url: broker.url,
    stompPort: broker.stompPort,
    get pid() {
      return child.pid ?? 0
    },
    kill,
    async restart() {
      await kill()
      child = await launch(broker, log)
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function launch(broker: BrokerProcess, log: string): Promise<ChildProcess> {
  const { kind, command, args, env, readyPort, isReady = async () => true } = broker
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const atExit = () => child.kill('SIGKILL')
  process.once('exit', atExit)
  child.once('exit', () => process.off('exit', atExit))
  let tail = ''
  const file = createWriteStream(log, { flags: 'a' })
  file.on('error', () => {})
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      tail = (tail + chunk).slice(-16_384)
      file.write(chunk)
    })
  child.once('close', () => file.end())
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = error
  })
  const deadline = performance.now() + START
  while (!(await accepts(readyPort)) || !(await isReady().catch(() => false))) {
    if (failure || child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${kind} ended while it started:\n${failure?.message ?? tail}`)
    if (performance.now() > deadline) {
      await end(child, 'SIGKILL')
      throw new Error(`${kind} was not ready within ${START / 1_000} s:\n${tail}`)
    }
    await pause(50)
  }
  return child
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  // A process that was frozen must run to end.
  child.kill('SIGCONT')
  child.kill(signal)
  await ended
}

/** Whether something accepts connections on a port of the loopback interface. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
