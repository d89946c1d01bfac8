/**
 * One bridge on Node as one and as two processes, as a part of `npm run bench`, or alone:
 * `node test/bench/processes.ts [<runs>]`. Counts the CPU of each process for a connect with its subscription, and for a
 * delivery to 1,000 clients with a subject each and five subscribers of all subjects. The load shares the machine, so that
 * the rate is not measured. Two processes can do `scale` times the work of one: the CPU of one process divided by that of
 * the busier of two.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { connect as connectNats } from 'nats'
import { root } from '../build/source-files.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { startLoad } from './load.ts'
import { median } from './median.ts'
import { encodeBenchMessage } from './message.ts'
import { cpuOf } from './process-figures.ts'
import { subscribe } from './protocols.ts'

const CONNECTS = 3_000
const CLIENTS = 1_000
const MESSAGES = 30_000
const IN_FLIGHT = 128
const LISTENERS = 5

/** CPU in µs: of the busiest process, and of all with NATS. */
interface Cost {
  readonly busiest: number
  readonly all: number
}

interface Costs {
  readonly connect: Cost
  readonly delivery: Cost
}

async function measure(processes: number): Promise<Costs> {
  await using nats = await startNatsServer()
  const settings = ['--upstream', nats.url, '--auth-anonymous', 'all', '--port', '0', '--log', 'warn']
  const args = ['bridge', '--json', '--processes', String(processes), ...settings]
  const child = spawn(process.execPath, [join(root, 'bridge/cli/main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const first = await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve))
  const { url } = JSON.parse(String(first)) as { url: string }
  const pid = child.pid ?? 0
  const workers = [pid, ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').map(Number)]
  const pids = workers.filter((one) => one > 0)
  const during = async (count: number, work: () => Promise<void>): Promise<Cost> => {
    const before = [...pids, nats.pid].map((one) => cpuOf([one]))
    await work()
    const each = [...pids, nats.pid].map((one, i) => (cpuOf([one]) - (before[i] ?? 0)) / count)
    return { busiest: Math.max(...each.slice(0, -1)), all: each.reduce((sum, one) => sum + one, 0) }
  }
  try {
    await closeAll(await connectAll(url, CONNECTS))
    let sockets: Socket[] = []
    const connect = await during(CONNECTS, async () => {
      sockets = await connectAll(url, CONNECTS)
    })
    await closeAll(sockets)
    return { connect, delivery: await route(url, nats.url, during) }
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill()
    await ended
  }
}

async function connectAll(url: string, count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count)
    sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => subscribe(url, 'nats', ['bench'])))))
  return sockets
}

async function closeAll(sockets: readonly Socket[]): Promise<void> {
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 1_000))
}

type During = (count: number, work: () => Promise<void>) => Promise<Cost>

async function route(url: string, natsUrl: string, during: During): Promise<Cost> {
  const publisher = await connectNats({ servers: natsUrl })
  const own = Array.from({ length: CLIENTS }, (_, i) => [`own.${i}`])
  const clients = [...own, ...Array<string[]>(LISTENERS).fill(['own.*'])]
  const load = await startLoad({ url, protocol: 'nats', clients, contiguous: false }, 2)
  const each = 1 + LISTENERS
  let sent = 0
  const publish = async (until: number) => {
    while (sent < until) {
      const next = Math.min(sent + IN_FLIGHT, until)
      while (sent < next) publisher.publish(`own.${sent % CLIENTS}`, Buffer.from(encodeBenchMessage(++sent)))
      await load.untilAll((sent - IN_FLIGHT) * each)
    }
    await load.untilAll(until * each)
  }
  try {
    await publish(MESSAGES / 2)
    const cost = await during(MESSAGES * each, () => publish(MESSAGES * 1.5))
    const { received, wrong } = await load.result()
    if (wrong > 0 || received !== sent * each) throw new Error(`${received} of ${sent * each} received, ${wrong} wrong`)
    return cost
  } finally {
    load.stop()
    await publisher.close()
  }
}

/** Prints a line for each run, and the medians. */
export async function benchProcesses(runs: number): Promise<void> {
  const all: Record<1 | 2, Costs[]> = { 1: [], 2: [] }
  for (let run = 1; run <= runs; run++)
    for (const processes of [1, 2] as const) {
      const costs = await measure(processes)
      all[processes].push(costs)
      const show = ({ busiest, all }: Cost) => `${busiest.toFixed(2)} of ${all.toFixed(2)} µs`
      console.log(
        `processes ${run}/${runs}  ${processes}: the busiest process ${show(costs.connect)} a connect, ${show(costs.delivery)} a delivery`,
      )
    }
  const middle = (processes: 1 | 2, of: keyof Costs, what: keyof Cost) => median(all[processes].map((c) => c[of][what]))
  const row = (of: keyof Costs) => ({
    'one: µs, all processes with NATS': +middle(1, of, 'all').toFixed(2),
    'two: µs, all processes with NATS': +middle(2, of, 'all').toFixed(2),
    scale: +(middle(1, of, 'busiest') / middle(2, of, 'busiest')).toFixed(2),
  })
  console.log('\n--processes 2: CPU of one process divided by that of the busier of two')
  console.table({ 'a connect with its subscription': row('connect'), 'a delivery of the routing mix': row('delivery') })
}

if (import.meta.main) {
  await benchProcesses(Number(process.argv[2] ?? 3))
  process.exit(0)
}
