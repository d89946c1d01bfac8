import { readFileSync } from 'node:fs'
import { eventually } from '../../support/eventually.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { runOn, startHost } from '../../support/process-host.ts'
import { rootToken, SECRET } from '../../support/token.ts'
import { encodeFrame, openRawSocket } from '../raw-socket.ts'
import { percentile } from './simulator.ts'
import type { StormOrder } from './storm-clients.ts'

/** Result of a storm with a real bridge. */
export interface RealStorm {
  readonly p50: number
  readonly p99: number
  readonly last: number
  readonly attempts: number
  /** Number of SYN that the kernel ignored because the backlog was full. */
  readonly ignored: number
  /**
   * Time per attempt of the event loops of the bridge and of the clients, in ms. It includes the time that they waited for
   * a processor, so that a loaded machine can be compared with the simulation.
   */
  readonly bridgeCost: number
  readonly clientCost: number
}

/** Kills a bridge with `clients` clients of the SDK in `processes` processes. They connect to another bridge. */
export async function runStorm(clients: number, processes = 2): Promise<RealStorm> {
  await using nats = await startNatsServer()
  const limits = { maxConnections: 50_000, maxConnectionsPerUser: 50_000 }
  const options = { upstream: nats.url, auth: { secret: SECRET }, limits }
  const [doomed, host] = await Promise.all([startHost('node', options), startHost('node', options)])
  const token = await rootToken()
  await warmUp(host.url, token)
  const loaders = Array.from({ length: processes }, (_, i) => {
    const order: StormOrder = {
      url: doomed.url,
      nextUrl: host.url,
      token,
      from: Math.floor((clients * i) / processes),
      to: Math.floor((clients * (i + 1)) / processes),
    }
    return runOn('node', 'test/bench/scale/storm-clients.ts', [JSON.stringify(order)])
  })
  try {
    const lines = loaders.map((child) => {
      child.stderr?.pipe(process.stderr)
      let output = ''
      child.stdout?.on('data', (chunk) => {
        output += chunk
      })
      return (n: number) => eventually(() => output.split('\n').slice(0, -1)[n], { deadline: 120_000 })
    })
    await Promise.all(lines.map((line) => line(0)))
    const before = loaders.map(({ pid }) => loopTime(pid ?? 0))
    const overflows = listenOverflows()
    const bridge = loopTime(host.pid)
    const lostAt = Date.now()
    doomed.kill()
    const results = (await Promise.all(lines.map((line) => line(1)))).map(
      (line) => JSON.parse(line) as { returned: number[]; attempts: number },
    )
    const times = results.flatMap(({ returned }) => returned.map((at) => at - lostAt)).sort((a, b) => a - b)
    const attempts = results.reduce((sum, result) => sum + result.attempts, 0)
    const clientTime = loaders.reduce((sum, { pid }, i) => sum + loopTime(pid ?? 0) - (before[i] ?? 0), 0)
    return {
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      last: times.at(-1) ?? 0,
      attempts,
      ignored: listenOverflows() - overflows,
      bridgeCost: (loopTime(host.pid) - bridge) / attempts,
      clientCost: clientTime / attempts,
    }
  } finally {
    for (const child of loaders) child.kill('SIGKILL')
    await host.stop()
  }
}

/** Time that the event loop of a process ran or waited for a processor, in ms. Source: proc_pid_schedstat(5). */
function loopTime(pid: number): number {
  const [ran = 0, waited = 0] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'latin1').split(' ').map(Number)
  return (ran + waited) / 1e6
}

/** A new process is slow until its code is compiled. */
async function warmUp(url: string, token: string): Promise<void> {
  const hello = encodeFrame(`CONNECT {"verbose":false,"auth_token":"${token}"}\r\nSUB warm 1\r\nPING\r\n`, true)
  for (let i = 0; i < 2_000; i += 50)
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        const { promise, resolve } = Promise.withResolvers<void>()
        const socket = await openRawSocket(`${url.replace('http', 'ws')}/nats`, (chunk) => {
          if (chunk.includes('PONG\r\n')) resolve()
        })
        socket.write(hello)
        await promise
        socket.destroy()
      }),
    )
}

/** Number of connections that the kernel dropped because a backlog was full, on the whole machine. */
function listenOverflows(): number {
  const [names = [], values = []] = readFileSync('/proc/net/netstat', 'latin1')
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '))
  return Number(values[names.indexOf('ListenOverflows')])
}
