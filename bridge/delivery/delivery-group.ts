import { encodeMessage } from '../../sdk/wire/server-op.ts'
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
    subscription.countWith(this.#tally)
  }

  /** Returns whether it was a member. */
  remove(subscription: Subscription): boolean {
    if (!this.members.delete(subscription)) return false
    this.#unshare()
    return true
  }

  /** Delivers a message to all members. @param origin see {@link Subscription.accepts} */
  deliver(message: UpstreamMessage, origin: string | undefined): void {
    if (this.#shared && !this.#shared.closed && message.reply === undefined) {
      this.#shared.add(this.#encode(message, undefined))
      this.#tally.frames++
      return
    }
    let frame: Uint8Array | undefined
    let shared: SharedBatch | undefined
    // A single member that gets something else ends the shared batch of all, for this turn.
    let together = message.reply === undefined && this.members.size > 1
    for (const subscription of this.members) {
      const { client } = subscription
      if (subscription.needsCheck) {
        together = false
        if (!subscription.accepts(message, origin)) continue
        if (subscription.conflation?.holds(message, (held) => this.#sendHeld(subscription, held))) continue
      }
      if (message.reply !== undefined && needsOwnReply(client, message.reply)) {
        this.deliverTo(subscription, message)
        continue
      }
      frame ??= this.#encode(message, message.reply)
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

  /** Delivers a message to one member, with a reply subject of its own if it needs one. */
  deliverTo(subscription: Subscription, message: UpstreamMessage): void {
    const { reply } = message
    send(subscription, this.#encode(message, reply === undefined ? undefined : replyFor(subscription.client, reply)))
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

  #encode(message: UpstreamMessage, reply: string | undefined): Uint8Array {
    const { subject } = message
    const name = this.#scope.toClient(subject) ?? subject
    const headers = this.#headers ? this.#headersOf(message) : undefined
    const payload = this.#isInbox ? toClientAnswer(message.payload, this.#scope) : message.payload
    const frame = encodeMessage(name, this.#sid, payload, { reply, headers, allocate: allocateFrame })
    this.#turn.encoded(frame.length)
    return frame
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
