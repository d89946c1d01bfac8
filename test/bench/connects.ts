/**
 * Costs of a connection, as a part of `npm run bench`, or alone: `node test/bench/connects.ts [<runs>]`. A connect is a TCP
 * connection, the upgrade, CONNECT, SUB, PING and the PONG. Its cost is the CPU of all processes of a system, with NATS
 * behind a bridge. Servers run on the first core and the clients on the last one.
 *
 * With a token the work differs: a bridge verifies a JWT (HS256) and reads permissions from it, nats-server compares a
 * text. Without credentials both do the same.
 */
import { execFileSync } from 'node:child_process'
import type { Socket } from 'node:net'
import { availableParallelism } from 'node:os'
import process from 'node:process'
import { startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'
import { type Runtime, startHost } from '../support/process-host.ts'
import { createToken, SECRET } from '../support/token.ts'
import { median } from './median.ts'
import { cpuOf, memoryOf } from './process-figures.ts'
import { encodeFrame, openRawSocket } from './raw-socket.ts'

const CONNECTS = 2_000
const WARM_UP = 1_000
const AT_ONCE = 50

/** A system whose clients connect. */
interface Target extends AsyncDisposable {
  readonly url: string
  /** All processes, with NATS. */
  readonly pids: readonly number[]
  /** CONNECT of a client. */
  readonly connect: string
}

const connectLine = (token?: string) =>
  `CONNECT ${JSON.stringify({ verbose: false, headers: true, no_responders: true, protocol: 1, lang: 'bench', ...(token && { auth_token: token }) })}\r\n`

async function natsServer(token?: string): Promise<Target> {
  const server = await startNatsServer(token ? { config: `authorization { token: "${token}" }` } : {})
  return {
    url: `${server.wsUrl}/nats`,
    pids: [server.pid],
    connect: connectLine(token),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

async function spanwire(runtime: Runtime, token?: string): Promise<Target> {
  const server = await startNatsServer()
  const limits = { maxConnections: 20_000, maxConnectionsPerUser: 20_000 }
  const auth = token ? { secret: SECRET } : openToAll
  const host = await startHost(runtime, { upstream: server.url, auth, limits })
  return {
    url: `${host.url.replace('http', 'ws')}/nats`,
    pids: [host.pid, server.pid],
    connect: connectLine(token),
    async [Symbol.asyncDispose]() {
      await host.stop()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** A token with the permissions of an application's user. */
const userToken = () =>
  createToken({
    sub: 'bench',
    pub: { allow: ['chat.*.message', 'orders.bench.>'] },
    subscribe: { allow: ['chat.*.message', 'orders.bench.>', 'bench'] },
  })

const TARGETS: Record<string, () => Promise<Target>> = {
  'nats-server': () => natsServer(),
  'Spanwire on Node': () => spanwire('node'),
  'Spanwire on Bun': () => spanwire('bun'),
  'nats-server, token': () => natsServer('a token of this benchmark'),
  'Spanwire on Node, token': async () => spanwire('node', await userToken()),
  'Spanwire on Bun, token': async () => spanwire('bun', await userToken()),
}

/** Connects a client. Resolves once its subscription is live. */
async function connect({ url, connect }: Target): Promise<Socket> {
  const ready = Promise.withResolvers<void>()
  let text = ''
  const socket = await openRawSocket(url, (chunk) => {
    text += chunk.toString('latin1')
    if (text.includes('PONG')) ready.resolve()
    if (text.includes('-ERR')) ready.reject(new Error(text))
  })
  socket.on('error', () => {})
  socket.write(encodeFrame(`${connect}SUB bench 1\r\nPING\r\n`, true))
  await ready.promise
  return socket
}

async function connectAll(target: Target, count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count)
    sockets.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => connect(target)))))
  return sockets
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 1_500))

interface Costs {
  /** CPU of a connect, in µs. */
  readonly cpu: number
  /** Resident memory of a connection above that of the warm server, in KiB. */
  readonly memory: number
}

async function measure(target: Target): Promise<Costs> {
  // Upgrades of many clients at the same time grow the heap once.
  for (const socket of await connectAll(target, WARM_UP)) socket.destroy()
  await settled()
  const [cpu, memory] = [cpuOf(target.pids), memoryOf(target.pids)]
  const sockets = await connectAll(target, CONNECTS)
  const cost = (cpuOf(target.pids) - cpu) / CONNECTS
  await settled()
  const held = (memoryOf(target.pids) - memory) / CONNECTS / 1_024
  for (const socket of sockets) socket.destroy()
  return { cpu: cost, memory: held }
}

/** Runs a process on one core, if the machine can do that. */
function pin(pid: number, core: number): void {
  try {
    execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' })
  } catch {
    // CPU time is counted, so that it is comparable on any core.
  }
}

/** Prints a line for each run, and the medians. */
export async function benchConnects(runs: number, names: readonly string[] = Object.keys(TARGETS)): Promise<void> {
  const all: Record<string, Costs[]> = {}
  pin(process.pid, availableParallelism() - 1)
  for (let run = 1; run <= runs; run++) {
    for (const name of names) {
      const start = TARGETS[name]
      if (!start) throw new Error(`Unknown system ${name}. Use one of: ${Object.keys(TARGETS).join(', ')}.`)
      await using target = await start()
      for (const pid of target.pids) pin(pid, 0)
      const costs = await measure(target)
      all[name] = [...(all[name] ?? []), costs]
      console.log(
        `connects ${run}/${runs}  ${name.padEnd(26)} ${costs.cpu.toFixed(0)} µs  ${costs.memory.toFixed(1)} KiB`,
      )
    }
  }
  const ratio = (name: string, of: keyof Costs) => {
    const peer = all[name.includes('token') ? 'nats-server, token' : 'nats-server'] ?? []
    return median((all[name] ?? []).map((costs, i) => costs[of] / (peer[i]?.[of] ?? Number.NaN))).toFixed(2)
  }
  console.log('\nA connect with its subscription, all processes of a system; ratio to nats-server in the same round')
  console.table(
    Object.fromEntries(
      Object.entries(all).map(([name, costs]) => [
        name,
        {
          'µs of CPU': Math.round(median(costs.map(({ cpu }) => cpu))),
          ratio: ratio(name, 'cpu'),
          'KiB held': +median(costs.map(({ memory }) => memory)).toFixed(1),
        },
      ]),
    ),
  )
}

if (import.meta.main) {
  const [, , runs = '3', only] = process.argv
  await benchConnects(Number(runs), only?.split(';'))
  process.exit(0)
}
