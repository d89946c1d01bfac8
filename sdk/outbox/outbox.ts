/** Events are written down before they are published, so that a reload loses none: loaded if the bus has an outbox. */
import type { PublishOptions, StreamAck, StreamPublishOptions } from '../contract/bus.ts'
import type { EncodedEvent } from '../contract/codec.ts'
import { guard } from '../kit/guard.ts'
import { MAX_TIMER } from '../kit/max-timer.ts'
import type { Transport } from '../transport/transport.ts'
import { isSpanwireError, type SpanwireError } from '../wire/errors.ts'
import { ID_HEADER } from '../wire/header-names.ts'
import { indexedDbOutbox } from './indexed-db.ts'
import type { OutboxEntry, OutboxStore } from './outbox-store.ts'

/** What became of an event that an earlier page had left in the outbox. */
export interface OutboxOutcome {
  readonly subject: string
  readonly id: string
  /** Where its stream keeps it, if it has one. */
  readonly ack?: StreamAck | undefined
  /** Why it was not published. It is not tried again. */
  readonly error?: SpanwireError
}

export interface OutboxOptions {
  /**
   * Tells outboxes of one origin apart. Give each account its own: what one user has left must not go out in another's
   * name. Default `default`.
   */
  readonly name?: string
  /** Default: IndexedDB. */
  readonly store?: OutboxStore
  /** Hears what became of events that an earlier page had left. */
  readonly onSettled?: (outcome: OutboxOutcome) => void
}

/** Publishes as a bus does without an outbox. */
export type Deliver = (event: DeliverableEvent) => Promise<unknown>

/** An event to publish. */
export interface DeliverableEvent extends EncodedEvent {
  /** Truthy if a stream keeps it. */
  readonly stream: unknown
  readonly options: StreamPublishOptions
}

/** Takes over what is left, and begins to publish it. Returns what publishes by way of the outbox. */
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
    if (!warned) console.warn("spanwire: the outbox can't be written; a reload loses what isn't published", cause)
    warned = true
  }

  /** Until it is settled; then it is no longer kept, unless only this client is at its end. */
  async function send(key: unknown, entry: OutboxEntry, { id, signal }: PublishOptions): Promise<unknown> {
    const { options } = entry
    const forget = () => key !== undefined && store.delete(key).catch(warn)
    try {
      const ack = await deliver({
        ...entry,
        options: {
          ...options,
          // It has time, unless its publisher says otherwise.
          timeout: options.timeout ?? MAX_TIMER,
          // One that was given may have been published before.
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

  const left = await store.adopt().catch((cause) => {
    warn(cause)
    return []
  })
  for (const { key, entry } of left) {
    const { subject } = entry
    const id = entry.headers.find(([name]) => name === ID_HEADER)?.[1] ?? ''
    const tell = (outcome: OutboxOutcome) => onSettled && guard(onSettled, report, [outcome])
    send(key, entry, { id }).then(
      (ack) => tell({ subject, id, ack: ack as StreamAck | undefined }),
      (error) => stays(error) || tell({ subject, id, error }),
    )
  }
  const follow = () => {
    if (transport.status.state === 'closed') store.close()
  }
  transport.onStatus(follow)
  // It may have been closed meanwhile: what was published before that is written down first.
  setTimeout(follow)

  return async ({ subject, payload, headers, stream, options }) => {
    const { timeout, expectLastSeq, expectLastSubjectSeq } = options
    // No more than this: IndexedDB can't clone functions.
    const entry = {
      subject,
      payload,
      headers,
      stream: !!stream,
      options: { timeout, expectLastSeq, expectLastSubjectSeq },
    }
    return send(await store.put(entry).catch(warn), entry, options)
  }
}

/** Only this client is at its end: what it couldn't publish stays for the next. */
function stays(error: unknown): boolean {
  return isSpanwireError(error, 'connection-closed') || isSpanwireError(error, 'authentication-failed')
}

function report(error: unknown): void {
  console.error('spanwire: onSettled threw', error)
}
