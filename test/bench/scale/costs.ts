import type { GossipMessage } from './room.ts'

/**
 * Measured figures, the inputs of the simulation. Times are CPU time in ms, sizes are in bytes.
 *
 * Sources: README, "Costs", and `node test/bench/scale/measure.ts`, on two cores of a shared machine, nats-server 2.15.
 */
export interface Costs {
  /** HTTP upgrade of a connection. */
  readonly upgrade: number
  /** CONNECT with a JWT, SUB of an own subject, and PING. */
  readonly connect: number
  /** A connection that its client has closed before the bridge has processed it. */
  readonly closedSocket: number
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
  /** Copy of a message that nats-server sends to a hub, in bursts. */
  readonly natsCopy: number
}

/** A bridge on Node, behind nats-server. */
export const NODE: Costs = {
  upgrade: 0.2,
  connect: 0.16,
  closedSocket: 0.03,
  gossip: 0.0022,
  member: 0.00277,
  answer: 0.006,
  encode: 0.0005,
  memberBytes: 118,
  natsCopy: 0.0026,
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
