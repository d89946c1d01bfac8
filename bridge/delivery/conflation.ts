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
  readonly #held = new Map<string, UpstreamMessage>()
  #bytes = 0
  #send: ((message: UpstreamMessage) => void) | undefined

  constructor(sendQueue: FrameSink) {
    this.#sendQueue = sendQueue
  }

  /**
   * Whether `message` is held until the client has caught up, or a newer one replaces it.
   * @param send called with the held messages, in the order of their arrival
   */
  holds(message: UpstreamMessage, send: (message: UpstreamMessage) => void): boolean {
    const { held, unread } = this.#sendQueue
    if (this.#held.size === 0) {
      if (unread < held.limit) return false
      this.#sendQueue.whenRead(held.limit, this.#release)
    }
    this.#send = send
    const { subject } = message
    const before = this.#held.get(subject)
    this.#held.delete(subject)
    this.#held.set(subject, copyOf(message))
    const more = sizeOf(message) - (before ? sizeOf(before) : 0)
    this.#bytes += more
    // Too many subjects: the client is sent all, and becomes a slow consumer if it does not read.
    held.add(more, this.#release)
    return true
  }

  readonly #release = (): void => {
    const messages = [...this.#held.values()]
    this.#held.clear()
    this.#sendQueue.held.remove(this.#bytes, this.#release)
    this.#bytes = 0
    for (const message of messages) this.#send?.(message)
    this.#send = undefined
  }
}

/** Copies of messages, which subscriptions share. */
const copies = new WeakMap<UpstreamMessage, UpstreamMessage>()

/** A message of an upstream is a view of a much larger buffer. */
function copyOf(message: UpstreamMessage): UpstreamMessage {
  let copy = copies.get(message)
  if (!copy) {
    const { payload, headers } = message
    copy = { ...message, payload: payload.slice(), ...(headers && { headers: headers.slice() }) }
    copies.set(message, copy)
  }
  return copy
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

  constructor(topic: Topic) {
    this.#topic = topic
  }

  parse({ subject, queue }: SubscribeOp, _: Client, sendQueue: FrameSink): SubscriptionTarget | SubscribeRefusal {
    const filter = parseConflated(subject) ?? ''
    if (queue !== undefined || !isSubjectFilter(filter) || isReserved(filter)) return { refused: 'invalid-subject' }
    return { filter, conflation: new Conflation(sendQueue) }
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
