import { onAbort, queueFull } from './checks.ts'
import type { StatusCell } from './status-cell.ts'

/** Limits of the queue for messages that are published without a connection. */
export interface OfflineOptions {
  /** Number of messages. Default 1,000. */
  readonly maxMessages?: number
  /** Header blocks and payloads together, in bytes. Default 1,048,576 (1 MiB). */
  readonly maxBytes?: number
  /** Which `publish` rejects with `offline-queue-full` when the queue is full. Default `refuse-oldest`. */
  readonly whenFull?: 'refuse-oldest' | 'refuse-newest'
}

/** An operation that is settled when the server has processed everything sent before it. */
export interface Pending {
  /** Subject of a message. */
  readonly subject?: string | undefined
  /** Reply subject of a message. */
  readonly reply?: string | undefined
  /** Bytes of its operation. */
  readonly frame?: Uint8Array
  /** Id of a subscription. */
  readonly sid?: string | undefined
  /** Called once. Later calls have no effect. */
  settle(error?: Error): void
}

/** A message to send. */
export interface Outgoing extends Pending {
  readonly subject: string
  /** Header block and payload together, in bytes. */
  readonly size: number
}

/**
 * Messages on their way to a server. They are sent in order, queued without a connection, and confirmed in rounds. A round contains all operations of one turn of the event loop.
 */
export interface Outbound<Message extends Outgoing> {
  /** The round that the next confirmation settles. */
  readonly oldest: readonly Pending[]
  /** Adds an operation to the round of this turn. */
  add(pending?: Pending): void
  /** Sends or queues a message. Resolves when it is confirmed. An abort removes it from the queue. */
  publish(make: (settle: Pending['settle']) => Message, signal: AbortSignal | undefined): Promise<void>
  /** Resolves when everything sent before is confirmed. */
  flush(): Promise<void>
  /** The server confirmed the oldest round. Returns it. */
  confirmed(): readonly Pending[]
  /** Sends the offline queue. Call it before the phase is `open`. */
  resume(): void
  /** The connection was lost: rejects unconfirmed operations. */
  lost(error: Error): void
  /** Resolves when everything is confirmed. Without a connection to NATS it waits only for queued messages. */
  drain(): Promise<void>
  /** Rejects unconfirmed and queued operations. */
  end(error: Error): void
}

/**
 * @param send hands a message to the connection. An error that it throws rejects the message
 * @param confirm requests the confirmation of a round that is complete
 */
export function createOutbound<Message extends Outgoing>(
  cell: StatusCell,
  { maxMessages = 1_000, maxBytes = 1_048_576, whenFull }: OfflineOptions = {},
  send: (message: Message) => void,
  confirm: (round: readonly Pending[]) => void,
): Outbound<Message> {
  /** The offline queue, oldest first. */
  const queue = new Set<Message>()
  let bytes = 0
  /** Flushes that wait for a connection. */
  const flushes: Pending[] = []
  /** Rounds that are not confirmed, oldest first. */
  let rounds: Pending[][] = []
  /** The newest round, during its turn. */
  let round: Pending[] | undefined

  const isOpen = () => cell.phase === 'open'

  const submit = (message: Message) => {
    try {
      send(message)
      outbound.add(message)
    } catch (error) {
      message.settle(error as Error)
    }
  }

  const remove = (message: Message) => {
    if (queue.delete(message)) bytes -= message.size
  }

  const enqueue = (message: Message) => {
    queue.add(message)
    bytes += message.size
    while (queue.size > maxMessages || bytes > maxBytes) {
      const [oldest = message] = queue
      const refused = message.size > maxBytes || whenFull === 'refuse-newest' ? message : oldest
      remove(refused)
      refused.settle(queueFull())
    }
  }

  const settleAll = (all: Iterable<Pending>, error: Error) => {
    for (const pending of all) pending.settle(error)
  }

  const outbound: Outbound<Message> = {
    get oldest() {
      return rounds[0] ?? []
    },
    add(pending) {
      if (!round) {
        const own: Pending[] = []
        round = own
        rounds.push(own)
        queueMicrotask(() => {
          if (round !== own) return
          round = undefined
          confirm(own)
        })
      }
      if (pending) round.push(pending)
    },
    publish: (make, signal) =>
      new Promise((resolve, reject) => {
        const message = make((error) => {
          release()
          if (error) reject(error)
          else resolve()
        })
        const release = onAbort(signal, (error) => {
          remove(message)
          reject(error)
        })
        if (signal?.aborted) return
        if (isOpen()) submit(message)
        else enqueue(message)
      }),
    flush: () =>
      new Promise((resolve, reject) => {
        const pending: Pending = { settle: (error) => (error ? reject(error) : resolve()) }
        if (isOpen()) outbound.add(pending)
        else flushes.push(pending)
      }),
    confirmed: () => rounds.shift() ?? [],
    resume() {
      for (const message of queue) submit(message)
      queue.clear()
      bytes = 0
      for (const pending of flushes.splice(0)) outbound.add(pending)
    },
    lost(error) {
      const unconfirmed = rounds.flat()
      rounds = []
      round = undefined
      settleAll(unconfirmed, error)
    },
    async drain() {
      if (isOpen() || queue.size) await outbound.flush().catch(() => {})
    },
    end(error) {
      outbound.lost(error)
      settleAll([...queue, ...flushes], error)
    },
  }
  return outbound
}
