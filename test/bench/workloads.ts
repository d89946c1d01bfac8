import type { Socket } from 'node:net'
import { type Load, startLoad } from './load.ts'
import { encodeBenchMessage } from './message.ts'
import { cpuOf, memoryOf } from './process-figures.ts'
import { subscribe } from './protocols.ts'
import type { System } from './systems.ts'

/** What one run of one workload found. */
export interface Figures {
  /** CPU of the server for each delivered message, in µs; for idle connections, memory for each, in KiB. */
  readonly cost: number
  /** In ms. */
  readonly p50?: number
  readonly p99?: number
  /** Connections that were made in a second, each with its subscription. */
  readonly connects?: number
  /** Messages that were lost, came twice or out of order. Anything but 0 makes the figure worthless. */
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
/** Published before anything is counted, as a part of what is: compilers and caches are warm then. */
const WARM_UP = 0.5

/** Everybody gets everything, `inFlight` messages ahead of the slowest. */
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

/** So many a second, whatever comes of it. */
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

/** Two subjects for each subscriber, and ten who want all of them. */
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

/** 100 subscribers who share so many subjects; one of them gets each message, whatever their number. */
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

/** Messages to publish: those after `from`, up to `to`. */
interface Stretch {
  readonly from: number
  readonly to: number
}

/** What each of `all` messages costs, delivered to `each` subscribers, once the server is warm. */
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
      const { url, protocol, pids, part = 1 } = system
      const messages = Math.ceil(all * part)
      const load = await startLoad({ url, protocol, clients, contiguous }, PROCESSES)
      try {
        const warm = Math.ceil(messages * WARM_UP)
        await publish(system, load, { from: 0, to: warm })
        await load.untilAll(warm * each)
        const before = cpuOf(pids)
        const total = warm + messages
        await publish(system, load, { from: warm, to: total })
        await load.untilAll(total * each)
        const cost = (cpuOf(pids) - before) / (messages * each)
        const { received, wrong, ages } = await load.result()
        const at = (part: number) => (ages[Math.floor(ages.length * part)] ?? 0) / 1_000
        return { cost, p50: at(0.5), p99: at(0.99), wrong: wrong + Math.abs(total * each - received) }
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
      // The first ones make what all of them need, such as a heap of the size that so many upgrades at once want.
      await openMore(connections / 4)
      await settled()
      const before = memoryOf(system.pids)
      const began = performance.now()
      await openMore(connections)
      const connects = connections / ((performance.now() - began) / 1_000)
      await settled()
      const cost = (memoryOf(system.pids) - before) / connections / 1_024
      for (const socket of sockets) socket.destroy()
      return { cost, connects, wrong: 0 }
    },
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 1_500))

/** How many messages to `subscribers` make about two million deliveries, and more where that were but a few bursts. */
const enough = (subscribers: number) => Math.max(Math.ceil(2_000_000 / subscribers), 1_000)

/** What a delivery costs as there are more subscribers, or subjects: of use beside each other, not beside other systems. */
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
  idle: idle('4,000 idle connections', 4_000),
}
