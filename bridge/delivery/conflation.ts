import { conflatedFilter, parseConflated } from '../../sdk/wire/conflate-subject.ts'
import { isSubjectFilter } from '../../sdk/wire/subject.ts'
import { isReserved, maySubscribe, type Permissions, type SubscriptionVerdict } from '../auth/permissions.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import type { Client } from './client.ts'
import type { FrameSink } from './send-queue.ts'
import type { Subscription } from './subscription.ts'
import type { SubscribeOp, SubscribeRefusal, SubscriptionTarget, Topic } from './topic.ts'

/** Memory of a held message in addition to its bytes. */
const OVERHEAD = 200

/** Keeps only the newest message of each subject while a client is behind. */
export class Conflation {
  readonly #sendQueue: FrameSink
  readonly #limit: number
  readonly #held = new Map<string, UpstreamMessage>()
  #bytes = 0

  /** @param limit unread bytes with which a client is behind; also the most bytes that are held */
  constructor(sendQueue: FrameSink, limit: number) {
    this.#sendQueue = sendQueue
    this.#limit = limit
  }

  /**
   * Whether `message` is held until the client has caught up, or a newer one replaces it.
   * @param send called with the held messages, in the order of their arrival
   */
  holds(message: UpstreamMessage, send: (message: UpstreamMessage) => void): boolean {
    if (this.#held.size === 0) {
      if (this.#sendQueue.unread < this.#limit) return false
      this.#sendQueue.whenRead(this.#limit, () => this.#release(send))
    }
    const { subject, payload, headers } = message
    const before = this.#held.get(subject)
    if (before) this.#bytes -= sizeOf(before)
    this.#held.delete(subject)
    // A copy: the bytes are a view of a much larger buffer.
    this.#held.set(subject, { ...message, payload: payload.slice(), ...(headers && { headers: headers.slice() }) })
    this.#bytes += sizeOf(message)
    // Too many subjects: the client is sent all, and becomes a slow consumer if it does not read.
    if (this.#bytes > this.#limit) this.#release(send)
    return true
  }

  #release(send: (message: UpstreamMessage) => void): void {
    const messages = [...this.#held.values()]
    this.#held.clear()
    this.#bytes = 0
    for (const message of messages) send(message)
  }
}

function sizeOf({ subject, payload, headers }: UpstreamMessage): number {
  return OVERHEAD + subject.length + payload.length + (headers?.length ?? 0)
}

/** `$EDGE.CONFLATE.<filter>`: subscriptions of another topic that may skip outdated messages. */
export class ConflatedTopic implements Topic {
  readonly prefix: string = conflatedFilter('')
  /** The other topic counts its filters. */
  readonly size = 0
  readonly #topic: Topic
  readonly #limit: number

  /** @param limit the limit of each {@link Conflation} */
  constructor(topic: Topic, limit: number) {
    this.#topic = topic
    this.#limit = limit
  }

  parse({ subject, queue }: SubscribeOp, _: Client, sendQueue: FrameSink): SubscriptionTarget | SubscribeRefusal {
    const filter = parseConflated(subject) ?? ''
    if (queue !== undefined || !isSubjectFilter(filter) || isReserved(filter)) return { refused: 'invalid-subject' }
    return { filter, conflation: new Conflation(sendQueue, this.#limit) }
  }

  judge(permissions: Permissions, filter: string): SubscriptionVerdict {
    return maySubscribe(permissions, filter)
  }

  has(subscription: Subscription): boolean {
    return this.#topic.has(subscription)
  }

  add(subscription: Subscription, published: number): number {
    return this.#topic.add(subscription, published)
  }

  remove(subscription: Subscription): void {
    this.#topic.remove(subscription)
  }

  leave(subscription: Subscription): number {
    return this.#topic.leave(subscription)
  }
}
