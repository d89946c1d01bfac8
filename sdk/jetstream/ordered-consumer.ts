import { createBackoff } from '../kit/backoff.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import type { JetStreamApi, StreamState } from './api.ts'
import { readDelivery } from './delivery.ts'
import type { JetStreamMessage, StoredMessage } from './link.ts'

/** Who follows a stream. None of these may throw. */
export interface FollowHandler {
  message(message: StoredMessage): void
  /**
   * A consumer stands: the first, or one in the place of one that was lost. `next` is the first sequence it may deliver;
   * `state` was read after it was made. A stream that is another (`epoch`), or went back (`lastSeq` + 1 < `next`), is
   * for the caller to deal with: it stops this and begins anew.
   */
  started(next: number, state: StreamState): void
  /** Something failed, and is tried again. */
  trouble?(error: SpanwireError): void
}

/** The part of a stream to follow. */
export interface FollowTarget {
  readonly stream: string
  readonly filter: string
  /** The first sequence to deliver. */
  readonly from: number
}

/** A stream being followed. */
export interface Following {
  /** The sequence after the last one delivered. */
  readonly next: number
  /** Makes a new consumer now, as after an outage. */
  restart(): void
  stop(): void
}

/** In ms. A consumer that is silent for longer than two and a half of these is given up. */
const HEARTBEAT = 1_000
/**
 * In ms. A consumer that has delivered nothing for so long is compared with the stream's leader: it may live at a replica
 * that has fallen behind, and then its heartbeats say that all is well. Twice as long after each time that it was right.
 */
const QUIET = 10_000
const LONGEST_QUIET = 300_000

/**
 * Follows a stream from a sequence, for ever: every message of the filter once and in order, through an ordered push
 * consumer that is made again whenever something was missed. Source: NATS ADR-17.
 */
export function followStream(
  api: JetStreamApi,
  { stream, filter, from }: FollowTarget,
  handler: FollowHandler,
): Following {
  const { link } = api
  let next = from
  let attempt = 0
  let stopped = false
  let end = () => {}
  const backoff = createBackoff({ first: 100, longest: 2_000 })

  async function start(): Promise<void> {
    end()
    backoff.cancel()
    const own = ++attempt
    const isCurrent = () => own === attempt && !stopped
    const inbox = `${link.newInbox()}.follow`
    let waiting: JetStreamMessage[] | undefined = []
    let expected = 1
    let heardAt = Date.now()
    let quiet = QUIET
    let compareAt = heardAt + quiet
    const take = (given: JetStreamMessage) => {
      if (!isCurrent()) return
      heardAt = Date.now()
      const delivery = readDelivery(given)
      if (!delivery) return
      if ('status' in delivery) {
        const { status, header } = delivery
        const stalled = header('Nats-Consumer-Stalled')
        if (status !== 100 || Number(header('Nats-Last-Consumer') ?? 0) >= expected) return void start()
        // Flow control: the server goes on once it is answered.
        if (given.reply) link.publish(given.reply, new Uint8Array())
        else if (stalled) link.publish(stalled, new Uint8Array())
        return
      }
      if (delivery.consumerSeq !== expected) return void start()
      expected++
      quiet = QUIET
      compareAt = heardAt + quiet
      const { message } = delivery
      if (message.seq < next) return
      next = message.seq + 1
      handler.message(message)
    }
    const unsubscribe = link.subscribe(inbox, (given) => (waiting ? waiting.push(given) : take(given)))
    const watch = setInterval(() => {
      const now = Date.now()
      if (now - heardAt > 2.5 * HEARTBEAT) return void start()
      if (now < compareAt) return
      quiet = Math.min(2 * quiet, LONGEST_QUIET)
      compareAt = now + quiet
      compare(next).catch(() => {})
    }, HEARTBEAT)
    const compare = async (before: number) => {
      const last = await api.message(stream, { last_by_subj: filter })
      // What was published just now is on its way.
      await new Promise((resolve) => setTimeout(resolve, HEARTBEAT))
      if (isCurrent() && next === before && (last?.seq ?? 0) >= next) void start()
    }
    let name: string | undefined
    end = () => {
      clearInterval(watch)
      unsubscribe()
      if (name !== undefined) api.deleteConsumer(stream, name)
    }
    try {
      const made = await api.createConsumer(stream, {
        deliver_subject: inbox,
        deliver_policy: 'by_start_sequence',
        opt_start_seq: next,
        filter_subject: filter,
        ack_policy: 'none',
        max_deliver: 1,
        flow_control: true,
        // In ns.
        idle_heartbeat: HEARTBEAT * 1_000_000,
        mem_storage: true,
        num_replicas: 1,
      })
      if (!isCurrent()) return api.deleteConsumer(stream, made.name)
      name = made.name
      const state = await api.streamState(stream, { deleted: true })
      if (!isCurrent()) return
      if (!state) throw new SpanwireError('stream-not-found', `The stream ${stream} is gone.`)
      backoff.failures = 0
      handler.started(next, state)
      const held = waiting ?? []
      waiting = undefined
      for (const given of held) take(given)
    } catch (cause) {
      if (!isCurrent()) return
      end()
      end = () => {}
      handler.trouble?.(
        isSpanwireError(cause)
          ? cause
          : new SpanwireError('upstream-unavailable', `Can't follow ${stream}.`, { cause }),
      )
      // Whoever hears of it may have stopped this.
      if (isCurrent()) backoff.schedule(start)
    }
  }

  void start()
  return {
    get next() {
      return next
    },
    restart() {
      if (!stopped) void start()
    },
    stop() {
      stopped = true
      backoff.cancel()
      end()
    },
  }
}
