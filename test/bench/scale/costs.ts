import type { GossipMessage } from './room.ts'

/**
 * Measured figures, the inputs of the simulation. Times are CPU time in ms, sizes are in bytes.
 *
 * Source: `node test/bench/scale/measure.ts` on 27 November 2026, on two cores that other work shared, Node 24, nats-server
 * 2.15. Other sources are named.
 */
export interface Costs {
  /** HTTP upgrade of a connection. */
  readonly upgrade: number
  /** CONNECT with a JWT, SUB of an own subject, and PING. */
  readonly connect: number
  /** A connection that its client has closed before the bridge has processed it. */
  readonly closedSocket: number
  /** A message from NATS, without its deliveries. */
  readonly receive: number
  /** One socket write. It carries all messages of a turn to one client. */
  readonly write: number
  /** One message in such a write. */
  readonly delivery: number
  /** A message from NATS to one client, alone: it is received, written, and wakes the event loop. */
  readonly alone: number
  /** PUB of a client, up to NATS. */
  readonly publish: number
  /** PING of a client, with its PONG. */
  readonly ping: number
  /** A message of another hub about presence, without its members. */
  readonly gossip: number
  /** One member in such a message. */
  readonly member: number
  /** Answer to a request for all members, without its members. */
  readonly answer: number
  /** One member in such an answer. */
  readonly encode: number
  /** JSON of a member with a short state. */
  readonly memberBytes: number
  /** Memory of a connection with a subject of its own: in the process, and in the kernel. */
  readonly connectionBytes: number
  readonly kernelBytes: number
  /** Memory of a hub without clients. */
  readonly hubBytes: number
}

/** A bridge on Node. */
export const NODE: Costs = {
  // 475 µs together.
  upgrade: 0.26,
  connect: 0.215,
  // Assumed.
  closedSocket: 0.03,
  receive: 0.0035,
  // 0.51 and 0.12 of nats-server's 5.8 and 0.46 µs: the table of the README.
  write: 0.003,
  delivery: 0.000055,
  alone: 0.057,
  publish: 0.019,
  ping: 0.024,
  gossip: 0.0016,
  member: 0.0024,
  answer: 0.004,
  encode: 0.00023,
  memberBytes: 118,
  connectionBytes: 25_600,
  // 36 GB for 12 million sockets: the benchmark of MigratoryData.
  kernelBytes: 3_000,
  hubBytes: 129e6,
}

/**
 * A hub in a Durable Object. A connect includes the Worker in front of it, 663 µs in workerd. A write takes 1/30,000 s: the
 * README of the Worker.
 */
export const OBJECT: Costs = {
  ...NODE,
  upgrade: 0.363,
  connect: 0.3,
  write: 0.033,
  // Assumed: that of Node, and a write.
  alone: NODE.alone + 0.033,
}

/** nats-server 2.15 in a cluster. */
export const NATS = {
  /** Copy of a message to a hub or to another server: in bursts, and alone. */
  copy: 0.0024,
  copyAlone: 0.021,
  /** A message of a publisher, with its copy to one hub in a burst of 100. */
  receive: 0.0047,
  /** Memory of a filter at the server of its hub, and at each other server of the cluster. */
  ownFilterBytes: 1_809,
  otherFilterBytes: 1_060,
  /** A new filter at the server of its hub, and at each other server. */
  ownFilter: 0.01,
  otherFilter: 0.0049,
}

/** JSON around the members of a message between hubs, in bytes. */
const FRAME_BYTES = 80

/** Size of a message between hubs, and the CPU time of its sender and of each receiver, in ms. */
export function costOfGossip({ kind, listed }: Pick<GossipMessage, 'kind' | 'listed'>, costs: Costs) {
  return {
    bytes: FRAME_BYTES + listed * costs.memberBytes,
    receive: costs.gossip + listed * costs.member,
    send: kind === 'answer' ? costs.answer + listed * costs.encode : 0,
  }
}
