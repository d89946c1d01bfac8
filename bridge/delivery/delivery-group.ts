import { encodeMessage } from '../../sdk/wire/server-op.ts'
import { isClosed } from '../auth/permissions.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { isNoResponders, NO_RESPONDERS } from '../upstream/upstream-message.ts'
import type { Client } from './client.ts'
import { toClientHeaders } from './client-headers.ts'
import { toClientAnswer } from './server-answers.ts'
import { SharedBatch } from './shared-batch.ts'
import { allocateFrame } from './slab.ts'
import type { SubjectScope } from './subject-scope.ts'
import type { Subscription } from './subscription.ts'
import type { Turn, TurnMember } from './turn.ts'

/**
 * Subscriptions that get the same bytes: same sid, same scope, same support of headers. A message is encoded once for all
 * of them.
 */
export class DeliveryGroup implements TurnMember {
  readonly members = new Set<Subscription>()
  /** The only member, which most groups have. A delivery then needs no look into the set. */
  #only: Subscription | undefined
  /** Counts frames that all members got together. */
  readonly #tally = { frames: 0 }
  #shared: SharedBatch | undefined
  readonly #sid: string
  readonly #headers: boolean
  readonly #scope: SubjectScope
  readonly #isInbox: boolean
  readonly #window: number
  readonly #turn: Turn

  constructor({ sid, client, window, brokerFilter }: Subscription, turn: Turn) {
    this.#turn = turn
    this.#window = window
    this.#sid = sid
    this.#headers = client.flags.headers
    this.#scope = client.scope
    this.#isInbox = client.scope.isOwnInbox(brokerFilter)
  }

  /** Subscriptions with equal keys are in one group. */
  static keyOf({ sid, filter, client: { flags, scope } }: Subscription): string {
    const key = scope.keyOf(filter)
    return flags.headers && key === '' ? sid : `${sid} ${flags.headers} ${key}`
  }

  add(subscription: Subscription): void {
    this.#unshare()
    this.members.add(subscription)
    this.#only = this.members.size === 1 ? subscription : undefined
    subscription.countWith(this.#tally)
  }

  /** Returns whether it was a member. */
  remove(subscription: Subscription): boolean {
    if (!this.members.delete(subscription)) return false
    this.#unshare()
    const [first] = this.members
    this.#only = this.members.size === 1 ? first : undefined
    return true
  }

  /** Delivers a message to all members. @param origin see {@link Subscription.accepts} */
  deliver(message: UpstreamMessage, origin: string | undefined): void {
    const name = this.#nameOf(message)
    const closed = isClosed(name)
    if (this.#shared && !this.#shared.closed && message.reply === undefined && !closed) {
      this.#shared.add(this.#encode(message, name, undefined))
      this.#tally.frames++
      return
    }
    const only = this.#only
    if (only) {
      if (this.#takes(only, message, closed, origin)) send(only, this.#encode(message, name, message.reply))
      return
    }
    let frame: Uint8Array | undefined
    let shared: SharedBatch | undefined
    // A single member that gets something else ends the shared batch of all, for this turn.
    let together = message.reply === undefined
    for (const subscription of this.members) {
      if (subscription.needsCheck(closed)) together = false
      if (!this.#takes(subscription, message, closed, origin)) continue
      frame ??= this.#encode(message, name, message.reply)
      if (together) {
        shared ??= new SharedBatch(this.#turn.emptyBatch.with(frame))
        together = subscription.sendQueue.share(shared, this.#window)
      }
      if (together) subscription.count()
      else send(subscription, frame)
    }
    this.#unshare()
    if (!shared) return
    this.#shared = shared
    if (together) this.#turn.join(this, this.#window)
    else this.#unshare()
  }

  /**
   * Whether a member gets the same frame as the others, and now. Otherwise it gets a frame of its own, a frame later, or
   * nothing.
   */
  #takes(subscription: Subscription, message: UpstreamMessage, closed: boolean, origin: string | undefined): boolean {
    if (subscription.needsCheck(closed)) {
      if (!subscription.accepts(message, origin)) return false
      if (subscription.conflation?.holds(message, (held) => this.#sendHeld(subscription, held))) return false
    }
    if (message.reply === undefined || !needsOwnReply(subscription.client, message.reply)) return true
    this.deliverTo(subscription, message)
    return false
  }

  /** Delivers a message to one member, with a reply subject of its own if it needs one. */
  deliverTo(subscription: Subscription, message: UpstreamMessage): void {
    const { reply } = message
    const own = reply === undefined ? undefined : replyFor(subscription.client, reply)
    send(subscription, this.#encode(message, this.#nameOf(message), own))
    this.#turn.relieve()
  }

  /** The end of the turn, which ends the shared batch. */
  flush(): void {
    this.#unshare()
  }

  /** Checks again: the subscription may have ended, or the client may have new credentials. */
  #sendHeld(subscription: Subscription, message: UpstreamMessage): void {
    if (this.members.has(subscription) && subscription.accepts(message, undefined))
      this.deliverTo(subscription, message)
  }

  #unshare(): void {
    if (this.#shared) this.#shared.closed = true
    this.#shared = undefined
  }

  #encode(message: UpstreamMessage, name: string, reply: string | undefined): Uint8Array {
    const headers = this.#headers ? this.#headersOf(message) : undefined
    const payload = this.#isInbox ? toClientAnswer(message.payload, this.#scope) : message.payload
    const frame = encodeMessage(name, this.#sid, payload, { reply, headers, allocate: allocateFrame })
    this.#turn.encoded(frame.length)
    return frame
  }

  /** The subject as members see it. */
  #nameOf({ subject }: UpstreamMessage): string {
    return this.#scope.toClient(subject) ?? subject
  }

  /** Newer servers add the subject of the request to a 503. It has the prefix, which a tenant must not see. */
  #headersOf(message: UpstreamMessage): Uint8Array | undefined {
    if (!message.headers) return undefined
    if (this.#scope.prefix !== '' && isNoResponders(message)) return NO_RESPONDERS
    return toClientHeaders(message.headers, this.#scope)
  }
}

/** Whether the client sees the reply subject by another name than other clients, or must be granted to answer it. */
function needsOwnReply({ replies, scope }: Client, reply: string): boolean {
  return replies.needed || scope.isOwnInbox(reply)
}

function replyFor({ replies, scope }: Client, reply: string): string {
  return replies.needed ? replies.grant(reply) : (scope.toClient(reply) ?? reply)
}

function send(subscription: Subscription, frame: Uint8Array): void {
  subscription.sendQueue.write(frame, subscription.window)
  subscription.count()
}
