/** Events are stored before they are published, so that a reload loses none. Loaded if the bus has an outbox. */
import type { PublishOptions, StreamAck, StreamPublishOptions } from '../contract/bus.ts'
import type { EncodedEvent } from '../contract/codec.ts'
import { guard } from '../kit/guard.ts'
import { MAX_TIMER } from '../kit/max-timer.ts'
import type { Transport } from '../transport/transport.ts'
import { isSpanwireError, type SpanwireError } from '../wire/errors.ts'
import { ID_HEADER } from '../wire/header-names.ts'
import { indexedDbOutbox } from './indexed-db.ts'
import type { OutboxEntry, OutboxStore } from './outbox-store.ts'
import { createPatience } from './patience.ts'

/** Outcome of an event that an earlier page had left in the outbox. */
export interface OutboxOutcome {
  /** Subject of the event. */
  readonly subject: string
  /** Id of the event. */
  readonly id: string
  /** Acknowledgement of the stream, for an event with a stream. */
  readonly ack?: StreamAck | undefined
  /** Reason why it was not published. It is not published again. */
  readonly error?: SpanwireError
}

/** Options of an outbox. */
export interface OutboxOptions {
  /**
   * Name of the outbox within the origin. Use one for each account: otherwise events of one user are published with the
   * credentials of another. Default `default`.
   */
  readonly name?: string
  /** Storage. Default: IndexedDB. */
  readonly store?: OutboxStore
  /** Called with the outcome of each event that an earlier page had left. */
  readonly onSettled?: (outcome: OutboxOutcome) => void
}

/** Publishes an event. */
export type Deliver = (event: DeliverableEvent) => Promise<StreamAck | undefined>

/** An event to publish. */
export interface DeliverableEvent extends EncodedEvent {
  /** Name of the stream that stores it. */
  readonly stream: OutboxEntry['stream'] | undefined
  /** Options of the publish. */
  readonly options: StreamPublishOptions
}

/** Opens an outbox, and publishes the entries of earlier pages. Returns a function that publishes through the outbox. */
export async function openOutbox(
  options: 'persistent' | OutboxOptions | undefined,
  transport: Transport,
  deliver: Deliver,
): Promise<Deliver> {
  const {
    name = 'default',
    store = indexedDbOutbox(name),
    onSettled,
  }: OutboxOptions = typeof options === 'object' ? options : {}
  let warned = false
  const warn = (cause: unknown) => {
    if (!warned) console.warn('spanwire: the outbox cannot be written. A reload loses unpublished events.', cause)
    warned = true
  }
  const patience = createPatience(warn)

  /** Publishes an entry. Removes it when it is settled, unless only this client has ended. */
  async function send(kept: Kept, entry: OutboxEntry, { id, signal }: PublishOptions): Promise<StreamAck | undefined> {
    const { options } = entry
    const forget = async () => {
      kept.isOver = true
      if (kept.key !== undefined) await patience.run(() => store.delete(kept.key))
    }
    try {
      const ack = await deliver({
        ...entry,
        options: {
          ...options,
          // Without a timeout of the application, it is published at any later time.
          timeout: options.timeout ?? MAX_TIMER,
          // An event with an id of the application may have been published before.
          ...(id !== undefined && { id }),
          signal,
        },
      })
      await forget()
      return ack
    } catch (error) {
      if (!stays(error)) await forget()
      throw error
    }
  }

  /** Publishes the entries that earlier pages have left. */
  function take(entries: Awaited<ReturnType<OutboxStore['adopt']>>): void {
    for (const { key, entry } of entries) {
      const { subject } = entry
      const id = entry.headers.find(([name]) => name === ID_HEADER)?.[1] ?? ''
      const settle = (outcome: OutboxOutcome) => onSettled && guard(onSettled, report, [outcome])
      send({ key }, entry, { id }).then(
        (ack) => settle({ subject, id, ack }),
        (error) => stays(error) || settle({ subject, id, error }),
      )
    }
  }
  take((await patience.run(() => store.adopt(), take)) ?? [])
  const follow = () => {
    if (transport.status.state === 'closed') store.close()
  }
  transport.onStatus(follow)
  // The transport may be closed already. Events that were published before are stored first.
  setTimeout(follow)

  return async ({ subject, payload, headers, stream, options }) => {
    const { timeout, expectLastSeq, expectLastSubjectSeq } = options
    // No more than this: IndexedDB can't clone functions.
    const entry = {
      subject,
      payload,
      headers,
      stream: stream ?? false,
      options: { timeout, expectLastSeq, expectLastSubjectSeq },
    }
    const kept: Kept = {}
    kept.key = await patience.run(
      () => store.put(entry),
      (key) => {
        kept.key = key
        if (kept.isOver) void store.delete(key).catch(warn)
      },
    )
    return send(kept, entry, options)
  }
}

/** State of an entry. */
interface Kept {
  /** Key in the store. Undefined while the entry is not stored. */
  key?: unknown
  /** The entry needs to be stored no longer. */
  isOver?: boolean
}

/** Whether only this client has ended. The next one publishes the entry. */
function stays(error: unknown): boolean {
  return isSpanwireError(error, 'connection-closed') || isSpanwireError(error, 'authentication-failed')
}

function report(error: unknown): void {
  console.error('spanwire: onSettled threw', error)
}
