import type { GossipMessage } from './room.ts'

/**
 * Measured figures, the inputs of the simulation. Times are CPU time in ms, sizes are in bytes.
 *
 * Sources: README, "Costs" (`npm run bench`), and `node test/bench/scale/measure.ts`, on two cores that other work shared,
 * Node 24, nats-server 2.15.
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
  /** Memory of a connection in the process, and in the kernel. */
  readonly connectionBytes: number
  readonly kernelBytes: number
  /** Memory of a member of another hub. */
  readonly knownMemberBytes: number
}

/** A bridge on Node. */
export const NODE: Costs = {
  upgrade: 0.2,
  connect: 0.16,
  closedSocket: 0.03,
  receive: 0.0035,
  // 0.51 and 0.12 of nats-server's 5.8 and 0.46 µs.
  write: 0.003,
  delivery: 0.000055,
  publish: 0.017,
  ping: 0.019,
  gossip: 0.0022,
  member: 0.0027,
  answer: 0.008,
  encode: 0.00015,
  memberBytes: 118,
  // 0.33 of nats-server's 38 KiB.
  connectionBytes: 12_800,
  kernelBytes: 4_096,
  knownMemberBytes: 950,
}

/**
 * A hub in a Durable Object: one write takes 1/30,000 s (README, "Deploy the Worker"). A connect includes the Worker in front
 * of it.
 */
export const OBJECT: Costs = {
  ...NODE,
  upgrade: 0.35,
  connect: 0.29,
  write: 0.033,
  delivery: 0.0002,
  connectionBytes: 82_000,
  kernelBytes: 0,
}

/** nats-server 2.15 in a cluster. */
export const NATS = {
  /** Copy of a message to a hub or to another server: in bursts, and alone. */
  copy: 0.0026,
  copyAlone: 0.018,
  /** A message of a publisher. */
  receive: 0.0051,
  /** Memory of a filter at the server of its hub, and at each other server of the cluster. */
  ownFilterBytes: 1_833,
  otherFilterBytes: 1_059,
  /** A new filter at the server of its hub, and at each other server. */
  ownFilter: 0.011,
  otherFilter: 0.0052,
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
