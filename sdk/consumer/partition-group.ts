import { isLasting } from '../jetstream/lasting.ts'
import { randomToken } from '../kit/ids.ts'
import type { Transport, TransportSubscription } from '../transport/transport.ts'
import { decode, encode } from '../wire/bytes.ts'
import { dividePartitions, isPartition } from './partition-plan.ts'

/** The partitions of a group, and the functions that are called. */
export interface GroupOptions {
  /** Subject of the messages between members. */
  readonly subject: string
  /** Number of partitions. */
  readonly count: number
  /** Time after which JetStream delivers unacknowledged events again, in ms. An earlier end of silence has no use. */
  readonly ackWait: number
  /**
   * Called when the partitions of this process have changed.
   * @param crashed partitions among them whose earlier process sends no heartbeats
   */
  changed(own: readonly number[], crashed: ReadonlySet<number>): void
  /** Called when the number of partitions has changed. */
  recounted(): void
  /** Called once if messages are refused, or the connection is closed. */
  ended(error: Error): void
}

/** Longest interval of heartbeats, in ms. With an `ackWait` below 3 s it is a third of that. */
const HEARTBEAT = 1_000
/** Shortest interval that others may have, in ms. */
const LEAST_HEARTBEAT = 300
/** A process has crashed after this number of intervals without a heartbeat. */
const SILENCE = 3.5
/** Time in which a process that joins receives the partitions of others, in ms. */
const SETTLE = 250
/** Changes within this time have one result, in ms. */
const GATHER = 10
/** Members that a process knows. */
const MOST_MEMBERS = 1_000
/** Length of a member's id, in characters. */
const ID_LENGTH = 16

/** The message to all members after a change of the number of partitions. */
export const RECOUNTED: Uint8Array = encode(JSON.stringify({ recounted: true }))

interface Member {
  readonly holds: readonly number[]
  /** Interval of its heartbeats, in ms. */
  readonly beat: number
  /** Time of the last message. */
  seen: number
}

/**
 * Divides the partitions of a consumer among its processes. Members send each other the partitions that they hold, at every
 * change and as heartbeats. Each calculates its partitions itself. Until all have the same information, two members may
 * have one partition: JetStream's pin gives its events to one of them.
 */
export class PartitionGroup {
  readonly #transport: Transport
  readonly #options: GroupOptions
  readonly #id = randomToken(ID_LENGTH)
  readonly #others = new Map<string, Member>()
  /** Partitions of members that send no heartbeats, until they are divided again. */
  readonly #crashed = new Set<number>()
  readonly #subscription: TransportSubscription
  readonly #releaseStatus: () => void
  /** Interval of heartbeats, in ms. */
  readonly #beat: number
  readonly #heartbeat: ReturnType<typeof setInterval>
  #own: readonly number[] = []
  #divide: ReturnType<typeof setTimeout> | undefined
  #settlesAt = Number.POSITIVE_INFINITY
  #beatAt = performance.now()
  #isMember = false
  #hasLeft = false

  constructor(transport: Transport, options: GroupOptions) {
    this.#transport = transport
    this.#options = options
    this.#subscription = transport.subscribe(options.subject, {
      message: ({ payload }) => this.#take(payload),
      ended: (error) => this.#ended(error),
    })
    this.#releaseStatus = transport.onStatus(({ state }) => {
      if (state === 'open') this.#join()
    })
    this.#beat = Math.round(Math.min(options.ackWait / 3, HEARTBEAT))
    this.#heartbeat = setInterval(() => this.#check(), this.#beat)
    this.#subscription.ready.then(
      () => this.#join(),
      () => {},
    )
  }

  /** Whether this member has the first id. One member of the group does tasks for all. */
  get isFirst(): boolean {
    return [...this.#others.keys()].every((id) => this.#id < id)
  }

  /** Leaves the group: other members take the partitions. Idempotent. */
  leave(): void {
    if (this.#hasLeft) return
    this.#send({ leaves: true })
    this.#end()
  }

  #end(): void {
    this.#hasLeft = true
    clearInterval(this.#heartbeat)
    clearTimeout(this.#divide)
    this.#releaseStatus()
    this.#subscription.unsubscribe()
  }

  #ended(error: Error): void {
    if (this.#hasLeft) return
    this.#end()
    this.#options.ended(error)
  }

  /** Requests the partitions of all members. Their earlier information may be outdated. */
  #join(): void {
    if (this.#hasLeft) return
    const now = performance.now()
    for (const member of this.#others.values()) member.seen = now
    this.#beatAt = now
    this.#settlesAt = now + SETTLE
    this.#send({ asks: true })
    this.#schedule()
  }

  /** Sends a heartbeat, and removes members without one. */
  #check(): void {
    const now = performance.now()
    const isLate = now - this.#beatAt > 2 * this.#beat
    this.#beatAt = now
    if (this.#transport.status.state !== 'open') return
    // This process was suspended or busy: messages of others may wait.
    if (isLate) return this.#join()
    if (this.#isMember) this.#send()
    for (const [id, { seen, holds, beat }] of this.#others) {
      if (now - seen < SILENCE * beat) continue
      this.#others.delete(id)
      for (const one of holds) this.#crashed.add(one)
      this.#schedule()
    }
  }

  #send(more: { readonly asks?: true; readonly leaves?: true } = {}): void {
    const message = { id: this.#id, holds: this.#own, beat: this.#beat, ...more }
    this.#transport.publish(this.#options.subject, encode(JSON.stringify(message))).catch((error) => {
      if (isLasting(error)) this.#ended(error)
    })
  }

  #take(payload: Uint8Array): void {
    const { id, holds, beat, asks, leaves, recounted } = readMessage(payload, this.#options.count)
    if (recounted && !this.#hasLeft) this.#options.recounted()
    if (this.#hasLeft || id === undefined || id === this.#id) return
    const known = this.#others.get(id)
    if (asks && this.#isMember) this.#send()
    // A process that joins takes no partitions before it knows those of others. Until then they do not stand still.
    // Processes that join together divide the partitions from the start.
    if (asks && !known && this.#isMember) return
    if (leaves) this.#others.delete(id)
    else if (known || this.#others.size < MOST_MEMBERS) this.#others.set(id, { holds, beat, seen: performance.now() })
    for (const one of holds) this.#crashed.delete(one)
    if (leaves || String(known?.holds) !== String(holds)) this.#schedule()
  }

  #schedule(): void {
    clearTimeout(this.#divide)
    const wait = Math.max(this.#settlesAt - performance.now(), GATHER)
    if (Number.isFinite(wait)) this.#divide = setTimeout(() => this.#divideAgain(), wait)
  }

  #divideAgain(): void {
    const holdings = new Map([...this.#others].map(([id, { holds }]) => [id, holds]))
    const own = dividePartitions(holdings.set(this.#id, this.#own), this.#options.count).get(this.#id) ?? []
    const crashed = new Set(own.filter((one) => this.#crashed.has(one)))
    this.#crashed.clear()
    // The first message makes this process a member.
    if (!this.#isMember || String(own) !== String(this.#own)) {
      this.#isMember = true
      this.#own = own
      this.#send()
    }
    this.#options.changed(own, crashed)
  }
}

interface GroupMessage {
  readonly id: string | undefined
  readonly holds: readonly number[]
  readonly beat: number
  readonly asks: boolean
  readonly leaves: boolean
  readonly recounted: boolean
}

/** Reads a message of a member. Its id is undefined if it is malformed. */
function readMessage(payload: Uint8Array, count: number): GroupMessage {
  let given: Record<string, unknown> = {}
  try {
    given = Object(JSON.parse(decode(payload)))
  } catch {
    // It has no id.
  }
  const { id, holds, beat, asks, leaves, recounted } = given
  return {
    id: typeof id === 'string' && id.length === ID_LENGTH ? id : undefined,
    holds: Array.isArray(holds) ? holds.filter((one) => isPartition(one, count)).slice(0, count) : [],
    beat: Math.min(Math.max(Number(beat) || HEARTBEAT, LEAST_HEARTBEAT), HEARTBEAT),
    asks: asks === true,
    leaves: leaves === true,
    recounted: recounted === true,
  }
}
