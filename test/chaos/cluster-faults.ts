import { eventually } from '../support/eventually.ts'
import type { NatsCluster } from '../support/nats-cluster.ts'
import { USERS } from './cluster-contract.ts'
import type { Fleet } from './fleet.ts'

/** Bridges between two faults. */
export const BRIDGES = 4
export const ADMIN_KEY = 'a-key-for-administrators-of-32-letters'

export const FAULT_KINDS = [
  'no fault',
  'bridge killed',
  'bridge drained',
  'bridge added',
  'leader of the stream killed',
  'other NATS server killed',
  'NATS server suspended for 1 s',
  'user disconnected',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** A fault. @param begin starts the measurement, with the bridges that are affected. Default: all. */
export type Fault = (begin: (victims?: readonly string[]) => void) => Promise<void>

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** The faults of a cluster of NATS servers and a fleet of bridges, by kind. */
export function createFaults({
  cluster,
  fleet,
  random,
}: {
  readonly cluster: NatsCluster
  readonly fleet: Fleet
  readonly random: () => number
}): Record<FaultKind, Fault> {
  const anyNode = () => cluster.nodes[Math.floor(random() * cluster.nodes.length)] as (typeof cluster.nodes)[number]
  return {
    'no fault': async (begin) => {
      begin()
      await pause(1_000)
    },
    'bridge killed': async (begin) => {
      const host = fleet.take(random)
      begin([host.url])
      await fleet.kill(host)
      if (fleet.size < BRIDGES) await fleet.add()
    },
    'bridge drained': async (begin) => {
      if (fleet.size <= BRIDGES) await fleet.add()
      const host = fleet.take(random)
      begin([host.url])
      await fleet.drain(host)
    },
    'bridge added': async (begin) => {
      begin()
      await fleet.add()
      // A fleet of at most five.
      if (fleet.size > BRIDGES + 1) await fleet.drain(fleet.take(random))
    },
    'leader of the stream killed': async (begin) => {
      const leader = await eventually(() => cluster.leaderOf('CHAOS'), { deadline: 30_000, what: 'a leader' })
      begin()
      await cluster.stop(leader)
      await pause(1_000)
      await leader.restart()
    },
    'other NATS server killed': async (begin) => {
      const leader = await eventually(() => cluster.leaderOf('CHAOS'), { deadline: 30_000, what: 'a leader' })
      const others = cluster.nodes.filter((node) => node !== leader)
      const node = others[Math.floor(random() * others.length)] ?? leader
      begin()
      await cluster.stop(node)
      await pause(1_000)
      await node.restart()
    },
    'NATS server suspended for 1 s': async (begin) => {
      const node = anyNode()
      begin()
      node.pause()
      await pause(1_000)
      node.resume()
    },
    'user disconnected': async (begin) => {
      const user = `user-${Math.floor(random() * USERS)}`
      begin()
      await eventually(
        async () => {
          const { status } = await fetch(`${fleet.urls[0]}/admin/disconnect`, {
            method: 'POST',
            headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
            body: JSON.stringify({ user }),
          })
          return status === 202
        },
        { what: 'the admin route' },
      )
    },
  }
}
