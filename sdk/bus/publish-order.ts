import type { Transport } from '../transport/transport.ts'

/**
 * Time without responders that the election of a stream's leader may take, in ms. Followers become candidates 4 to 9 s
 * after the last message of the leader, and an election may need a second round.
 * Source: nats-server's raft.go, `minElectionTimeout`.
 */
export const ELECTION = 15_000
/** An answer that takes longer is a sign of a failure, in ms. The election of a leader takes longer. */
const SLOW = 1_000

/** The place of an event in the order. */
export interface Place {
  /** Calls `send` when an attempt may begin, which may be now. */
  turn(send: () => void): void
  /**
   * An attempt failed. The next one begins after a pause.
   * @param silentSince the subject has had no responders since then, on the clock of `performance`
   */
  failed(silentSince: number | undefined): void
  /** The event is settled. @param isAnswered whether the stream has answered */
  leave(isAnswered: boolean): void
}

interface Entry {
  readonly subject: string
  readonly send: () => void
  /** From `sent` to `paused` when an attempt fails, and to `waiting` after the pause. */
  state: 'waiting' | 'sent' | 'paused'
  sentAt: number
  /** Whether the connection was open when it was sent. If not, the transport has queued it. */
  wasOpen: boolean
  silentSince: number | undefined
  lane: Lane
}

/**
 * The order of the events of one stream. They are sent without waiting for each other. After a failure only the oldest one is
 * sent, until the stream has answered all that were sent before.
 */
export class PublishOrder {
  readonly #isOpen: () => boolean
  readonly #main: Lane
  /** Subjects that the stream does not store. They do not delay other subjects. */
  readonly #apart = new Map<string, Lane>()

  constructor(transport: Transport) {
    this.#isOpen = () => transport.status.state === 'open'
    this.#main = new Lane(this.#isOpen)
    transport.onStatus(() => {
      for (const lane of [this.#main, ...this.#apart.values()]) lane.changed()
    })
  }

  /** Returns the place of a new event. Its first `turn` makes it the newest one. */
  enter(subject: string): Place {
    let send = () => {}
    const lane = this.#apart.get(subject) ?? this.#main
    const entry: Entry = {
      subject,
      send: () => send(),
      state: 'waiting',
      sentAt: 0,
      wasOpen: false,
      silentSince: undefined,
      lane,
    }
    return {
      turn(call) {
        send = call
        entry.lane.take(entry)
      },
      failed(silentSince) {
        entry.silentSince = silentSince
        entry.lane.pause(entry)
      },
      leave: (isAnswered) => {
        const silent = entry.lane.remove(entry, isAnswered)
        if (silent !== undefined) this.#setApart(silent)
        if (entry.lane.isEmpty && entry.lane === this.#apart.get(subject)) this.#apart.delete(subject)
      },
    }
  }

  #setApart(subject: string): void {
    const lane = new Lane(this.#isOpen)
    this.#apart.set(subject, lane)
    this.#main.move(subject, lane)
  }
}

/** Events that keep their order. */
class Lane {
  readonly #isOpen: () => boolean
  /** Oldest first. */
  readonly #entries = new Set<Entry>()
  /** Only the oldest one is sent. If not, all are sent. */
  #isHeld = false

  constructor(isOpen: () => boolean) {
    this.#isOpen = isOpen
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  get #oldest(): Entry | undefined {
    const [oldest] = this.#entries
    return oldest
  }

  take(entry: Entry): void {
    const oldest = this.#oldest
    if (oldest && (this.#isOpen() ? performance.now() - oldest.sentAt > SLOW : isLost(oldest))) this.#isHeld = true
    entry.state = 'waiting'
    this.#entries.add(entry)
    if (this.#isHeld) this.proceed()
    else this.#start(entry)
  }

  pause(entry: Entry): void {
    this.#isHeld = true
    entry.state = 'paused'
    this.proceed()
  }

  /** Returns the subject of the oldest event, if the answer shows that the stream does not store that subject. */
  remove(entry: Entry, isAnswered: boolean): string | undefined {
    const oldest = this.#oldest
    this.#entries.delete(entry)
    if (!this.#isHeld || !oldest) return undefined
    if (isAnswered && entry === oldest) this.#isHeld = !areWaiting(this.#entries)
    this.proceed()
    return isAnswered && oldest.subject !== entry.subject && isSilent(oldest) ? oldest.subject : undefined
  }

  /** The status of the connection has changed. Once it is open, the transport has sent its queue. */
  changed(): void {
    if (this.#isOpen()) for (const entry of this.#entries) entry.wasOpen = true
    this.proceed()
  }

  /** Moves the events of a subject to another lane. */
  move(subject: string, lane: Lane): void {
    for (const entry of this.#entries) {
      if (entry.subject !== subject) continue
      this.#entries.delete(entry)
      lane.#entries.add(entry)
      entry.lane = lane
    }
    lane.#isHeld = true
    lane.proceed()
    this.proceed()
  }

  /** Starts the events whose turn it is. */
  proceed(): void {
    // While offline, the transport queues them up to its limits.
    const isOpen = this.#isOpen()
    const isStrict = this.#isHeld && isOpen
    for (const entry of this.#entries) {
      if (entry.state === 'waiting') this.#start(entry)
      if (isStrict && isSilent(entry)) this.#probe(entry)
      // An event that was lost with the connection is sent again, before those behind it.
      if (isStrict || entry.state === 'paused' || (!isOpen && isLost(entry))) return
    }
  }

  /** Starts an event of another subject, which the stream may store. */
  #probe({ subject }: Entry): void {
    const others = [...this.#entries].filter((entry) => entry.subject !== subject)
    if (others[0] && areWaiting(others)) this.#start(others[0])
  }

  #start(entry: Entry): void {
    entry.state = 'sent'
    entry.sentAt = performance.now()
    entry.wasOpen = this.#isOpen()
    entry.send()
  }
}

/** Only while offline: its failure is not known yet. */
function isLost({ state, wasOpen }: Entry): boolean {
  return state === 'sent' && wasOpen
}

function areWaiting(entries: Iterable<Entry>): boolean {
  for (const { state } of entries) if (state !== 'waiting') return false
  return true
}

function isSilent({ silentSince }: Entry): boolean {
  return silentSince !== undefined && performance.now() - silentSince >= ELECTION
}
