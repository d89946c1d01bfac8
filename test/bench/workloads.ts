import type { Socket } from 'node:net'
import { type Load, startLoad } from './load.ts'
import { encodeBenchMessage } from './message.ts'
import { cpuOf, memoryOf } from './process-figures.ts'
import { subscribe } from './protocols.ts'
import type { System } from './systems.ts'

/** Result of one run of one workload. */
export interface Figures {
  /**
   * CPU of all processes of the system per delivered message, in µs: the servers of the clients, and NATS behind a bridge. For
   * idle connections, memory per connection, in KiB.
   */
  readonly cost: number
  /** The same without NATS behind a bridge. */
  readonly alone: number
  /** Latency in ms. */
  readonly p50?: number
  readonly p99?: number
  /** Number of connections per second, each with its subscription. */
  readonly connects?: number
  /** Number of lost, repeated or unordered messages. The result is valid only if it is 0. */
  readonly wrong: number
}

export interface Workload {
  readonly title: string
  readonly unit: string
  run(system: System): Promise<Figures>
}

const SUBSCRIBERS = 500
const IN_FLIGHT = 256
const PROCESSES = 2
/** Size of the warm-up as a fraction of the counted messages. */
const WARM_UP = 0.5

/** All subscribers receive all messages. The publisher is `inFlight` messages ahead of the slowest subscriber. */
function fanOut(title: string, subscribers: number, messages: number, inFlight: number): Workload {
  return deliveries(
    title,
    Array<string[]>(subscribers).fill(['bench']),
    subscribers,
    messages,
    async (system, load, at) => {
      const ahead = Math.floor(inFlight / 2)
      for (let sent = at.from; sent < at.to; ) {
        const until = Math.min(sent + Math.max(1, ahead), at.to)
        while (sent < until) system.publish('bench', encodeBenchMessage(++sent))
        await load.untilAll((sent - Math.min(sent - at.from, ahead)) * subscribers)
      }
    },
  )
}

/** Publishes at a fixed rate per second, regardless of the deliveries. */
function paced(title: string, subscribers: number, perSecond: number, seconds: number): Workload {
  const clients = Array<string[]>(subscribers).fill(['bench'])
  return deliveries(title, clients, subscribers, perSecond * seconds, async (system, _, at) => {
    const began = performance.now()
    for (let sent = at.from; sent < at.to; ) {
      const due = at.from + Math.floor(((performance.now() - began) / 1_000) * perSecond) + 1
      while (sent < Math.min(due, at.to)) system.publish('bench', encodeBenchMessage(++sent))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })
}

/** Two subjects for each subscriber, and ten subscribers of all subjects. */
function ownSubjects(title: string, messages: number): Workload {
  const own = SUBSCRIBERS * 2
  const clients = Array.from({ length: SUBSCRIBERS }, (_, i) => [`own.${2 * i}`, `own.${2 * i + 1}`])
  const everybody = Array<string[]>(10).fill(['own.*'])
  const each = 1 + everybody.length
  return deliveries(title, [...clients, ...everybody], each, messages, async (system, load, at) => {
    for (let sent = at.from; sent < at.to; ) {
      const until = Math.min(sent + IN_FLIGHT / 2, at.to)
      while (sent < until) system.publish(`own.${sent % own}`, encodeBenchMessage(++sent))
      await load.untilAll((sent - Math.min(sent - at.from, IN_FLIGHT / 2)) * each)
    }
  })
}

/** 1,000 subscribers with a subject each, and five subscribers of all subjects. */
function routing(title: string, messages: number): Workload {
  const own = 1_000
  const clients = Array.from({ length: own }, (_, i) => [`u.${i}`])
  const all = Array<string[]>(5).fill(['>'])
  const each = 1 + all.length
  return deliveries(title, [...clients, ...all], each, messages, async (system, load, at) => {
    for (let sent = at.from; sent < at.to; ) {
      const until = Math.min(sent + IN_FLIGHT / 2, at.to)
      while (sent < until) system.publish(`u.${sent % own}`, encodeBenchMessage(++sent))
      await load.untilAll((sent - Math.min(sent - at.from, IN_FLIGHT / 2)) * each)
    }
  })
}

/** 100 subscribers that share `subjects` subjects. One subscriber receives each message. */
function sharedOut(subjects: number, messages: number): Workload {
  const subscribers = 100
  const clients = Array.from({ length: subscribers }, (_, client) =>
    Array.from({ length: subjects / subscribers }, (_, i) => `part.${client + i * subscribers}`),
  )
  return deliveries(`100 subscribers of ${subjects} subjects`, clients, 1, messages, async (system, load, at) => {
    for (let sent = at.from; sent < at.to; ) {
      const until = Math.min(sent + IN_FLIGHT / 2, at.to)
      while (sent < until) system.publish(`part.${sent % subjects}`, encodeBenchMessage(++sent))
      await load.untilAll(sent - Math.min(sent - at.from, IN_FLIGHT / 2))
    }
  })
}

/** Yields the messages after `from`, up to `to`. */
interface Stretch {
  readonly from: number
  readonly to: number
}

/** Measures the costs of `all` messages, each delivered to `each` subscribers, on a warm server. */
function deliveries(
  title: string,
  clients: string[][],
  each: number,
  all: number,
  publish: (system: System, load: Load, stretch: Stretch) => Promise<void>,
): Workload {
  const contiguous = clients.every(([subject]) => subject === clients[0]?.[0])
  return {
    title,
    unit: 'µs CPU per delivery',
    async run(system) {
      const { url, protocol, pids, brokers = [], part = 1 } = system
      const messages = Math.ceil(all * part)
      const load = await startLoad({ url, protocol, clients, contiguous }, PROCESSES)
      try {
        const warm = Math.ceil(messages * WARM_UP)
        await publish(system, load, { from: 0, to: warm })
        await load.untilAll(warm * each)
        const before = { servers: cpuOf(pids), brokers: cpuOf(brokers) }
        const total = warm + messages
        await publish(system, load, { from: warm, to: total })
        await load.untilAll(total * each)
        const alone = (cpuOf(pids) - before.servers) / (messages * each)
        const cost = alone + (cpuOf(brokers) - before.brokers) / (messages * each)
        const { received, wrong, ages } = await load.result()
        const at = (part: number) => (ages[Math.floor(ages.length * part)] ?? 0) / 1_000
        return { cost, alone, p50: at(0.5), p99: at(0.99), wrong: wrong + Math.abs(total * each - received) }
      } finally {
        load.stop()
      }
    },
  }
}

function idle(title: string, connections: number): Workload {
  return {
    title,
    unit: 'KiB per idle connection',
    async run(system) {
      const open = () => subscribe(system.url, system.protocol, ['bench'])
      const sockets: Socket[] = []
      const openMore = async (count: number) => {
        for (let i = 0; i < count; i += 50) sockets.push(...(await Promise.all(Array.from({ length: 50 }, open))))
      }
      // The first connections grow the heap to the size that concurrent upgrades need.
      await openMore(connections / 4)
      await settled()
      const { pids, brokers = [] } = system
      const before = { servers: memoryOf(pids), brokers: memoryOf(brokers) }
      const began = performance.now()
      await openMore(connections)
      const connects = connections / ((performance.now() - began) / 1_000)
      await settled()
      const alone = (memoryOf(pids) - before.servers) / connections / 1_024
      const cost = alone + (memoryOf(brokers) - before.brokers) / connections / 1_024
      for (const socket of sockets) socket.destroy()
      return { cost, alone, connects, wrong: 0 }
    },
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 1_500))

/** Number of messages for about two million deliveries, and at least for several bursts. */
const enough = (subscribers: number) => Math.max(Math.ceil(2_000_000 / subscribers), 1_000)

/** Costs of a delivery with a growing number of subscribers or subjects. Compare these rows with each other. */
export const GROWTH: Record<string, Workload> = Object.fromEntries(
  [100, 1_000, 10_000].flatMap((many) => [
    [`grow-${many}`, fanOut(`${many} subscribers, ${IN_FLIGHT} in flight`, many, enough(many), IN_FLIGHT)],
    [`grow-subjects-${many}`, sharedOut(many, 200_000)],
  ]),
)

export const WORKLOADS: Record<string, Workload> = {
  saturated: fanOut(`${SUBSCRIBERS} subscribers, ${IN_FLIGHT} in flight`, SUBSCRIBERS, 16_000, IN_FLIGHT),
  single: fanOut(`${SUBSCRIBERS} subscribers, one at a time`, SUBSCRIBERS, 1_000, 0),
  paced: paced('200 subscribers, 500 a second', 200, 500, 4),
  subjects: ownSubjects('1,000 subjects and 10 wildcards', 160_000),
  routing: routing('1,000 clients with a subject each, and 5 listeners on >', 300_000),
  idle: idle('4,000 idle connections', 4_000),
}
