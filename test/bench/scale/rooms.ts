import { costOfGossip, NODE } from './costs.ts'
import { GATHER, type GossipRules, Room } from './room.ts'
import { Simulator } from './simulator.ts'

export interface RoomsOptions {
  readonly hubs: number
  /** Clients of each hub. Every client is a member of one room, and watches it. */
  readonly clientsPerHub: number
  /** Members of each room. */
  readonly members: number
  readonly rules: GossipRules
  /** Mean time from the arrival of a client to its departure, in ms. Default 10 minutes. */
  readonly session?: number
  /** Rooms that are simulated. The result is scaled to all of them. Default 10. */
  readonly sample?: number
}

/** Load of one hub on average, without the messages to its clients. */
export interface RoomsResult {
  /** Messages per second that the hub receives. */
  readonly received: number
  /** Bytes per second that it receives. */
  readonly bytes: number
  /** Share of one processor for these messages. */
  readonly cpu: number
  /** Messages that NATS delivers for one arrival or departure. */
  readonly perChange: number
}

/** Rooms whose clients come and go, with the messages that the hubs exchange about them. */
export function simulateRooms(options: RoomsOptions, seed: number): RoomsResult {
  const { hubs, clientsPerHub, members, rules, session = 600_000, sample = 10 } = options
  const simulator = new Simulator(seed)
  const total = { received: 0, bytes: 0, cpu: 0, changes: 0 }
  let isCounting = false

  const openRoom = () => {
    const room = new Room(rules, (message) => {
      if (!isCounting) return
      const { bytes, receive, send } = costOfGossip(message, NODE)
      total.received += message.receivers
      total.bytes += message.receivers * bytes
      total.cpu += message.receivers * receive + send
    })
    /** Number of changes that each hub has collected. */
    const collected = new Map<number, number>()
    const change = (hub: number) => {
      if (isCounting) total.changes++
      collected.set(hub, (collected.get(hub) ?? 0) + 1)
      if (collected.get(hub) !== 1) return
      simulator.after(GATHER, () => {
        const listed = collected.get(hub)
        collected.delete(hub)
        room.report(hub, listed)
      })
    }
    const arrive = () => {
      const hub = Math.floor(simulator.random() * hubs)
      room.arrive(hub)
      change(hub)
      simulator.after(-Math.log(1 - simulator.random()) * session, () => {
        room.leave(hub)
        change(hub)
        // The room keeps its size.
        simulator.after(simulator.random() * 1_000, arrive)
      })
    }
    for (let i = 0; i < members; i++) simulator.after(simulator.random() * session, arrive)
  }

  for (let i = 0; i < sample; i++) openRoom()
  simulator.run(2 * session)
  isCounting = true
  simulator.run(3 * session)
  const rooms = (hubs * clientsPerHub) / members
  const perHub = rooms / sample / hubs / (session / 1_000)
  return {
    received: total.received * perHub,
    bytes: total.bytes * perHub,
    cpu: (total.cpu * perHub) / 1_000,
    perChange: total.received / Math.max(1, total.changes),
  }
}
