import type { ClientOp } from '../../sdk/wire/client-op.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import { isChannel, presenceChannel, presenceSubject } from '../../sdk/wire/presence-frames.ts'
import { isSubject } from '../../sdk/wire/subject.ts'
import { overreach } from '../auth/overreach.ts'
import { isReserved, mayBeAnswered, mayBePresent, mayPublish } from '../auth/permissions.ts'
import { PENALTY, RateMeter } from '../auth/rate-meter.ts'
import { ORIGIN_HEADER, originOf, withOrigin } from '../delivery/origin-header.ts'
import type { SubscriptionOwner } from '../delivery/subscription.ts'
import { closings } from './close-reason.ts'
import type { Outcome } from './outcome.ts'
import type { SessionHub } from './session-hub.ts'

export type PublishOp = Extract<ClientOp, { verb: 'PUB' }>

/** Refusals, more than what was taken, after which a client that publishes too fast is closed. */
const MAX_REFUSALS = 100

/** Takes a client's PUBs to the broker, if it may. */
export class Publisher {
  readonly #hub: SessionHub
  readonly #client: SubscriptionOwner
  readonly #meter: RateMeter
  #refusals = 0
  #published = 0
  /** Messages that went to the broker, and their header blocks and payloads, in bytes. */
  messages = 0
  bytes = 0
  /** What the last publish was to the broker; see SessionHub.confirm. */
  mark = 0

  constructor(hub: SessionHub, client: SubscriptionOwner) {
    this.#hub = hub
    this.#client = client
    this.#meter = new RateMeter(hub.limits.publishRate, hub.clock())
  }

  /** A user has one rate, however often it connects; whom nobody knows has one for each connection. */
  #isWithinRate(bytes: number): boolean {
    const { user } = this.#client
    return user === '' ? this.#meter.take(bytes, this.#hub.clock()) : this.#hub.meter(user, bytes)
  }

  #count(subject: string, bytes: number): Outcome {
    if (!this.#isWithinRate(bytes)) {
      return ++this.#refusals > MAX_REFUSALS
        ? this.#suspend()
        : `Rate Violation for Publish to ${JSON.stringify(subject)}`
    }
    // Not zero: a steady flood is let through now and then.
    if (this.#refusals > 0) this.#refusals--
  }

  /** What a client says in a channel of presence, which stays at the hub. */
  #present(channel: string, subject: string, payload: Uint8Array): Outcome {
    const { id, user, presence: claims, permissions, scope } = this.#client
    if (!isChannel(channel) || !mayBePresent(permissions.publish, subject))
      return `Permissions Violation for Publish to ${JSON.stringify(subject)}`
    const tooFast = this.#count(subject, payload.length)
    if (tooFast) return tooFast
    const refused = this.#hub.present(scope.publishTo(channel), { id, user, claims }, payload)
    return refused && `${refused} for Publish to ${JSON.stringify(subject)}`
  }

  /** The client has other credentials: it leaves the channels where it may not be any more. */
  review(): void {
    const { id, permissions, scope } = this.#client
    this.#hub.absent(id, (channel) => {
      const name = scope.toClient(channel)
      return name === undefined || !mayBePresent(permissions.publish, presenceSubject(name))
    })
  }

  #suspend(): Outcome {
    const until = this.#hub.clock() + PENALTY
    if (this.#client.user === '') this.#meter.suspend(until)
    else this.#hub.suspend(this.#client.user, until)
    return closings.publishRate
  }

  /** @param bytes header block and payload */
  publish({ subject, reply, headerSize }: PublishOp, bytes: Uint8Array): Outcome {
    const { echo, id, maxData, permissions, replies, scope } = this.#client
    const { maxHeaders, maxSubjectLength } = this.#hub.limits
    const valid = (name: string) => name.length <= maxSubjectLength && isSubject(name)
    if (!valid(subject) || (reply !== undefined && !valid(reply))) return 'Invalid Publish Subject'
    const channel = presenceChannel(subject)
    if (channel !== undefined) return this.#present(channel, subject, bytes.subarray(headerSize))
    const grant = replies.use(subject)
    if (!grant?.permitted && !mayPublish(permissions, subject))
      return `Permissions Violation for Publish to ${JSON.stringify(subject)}`
    if (reply !== undefined && !mayBeAnswered(permissions, reply))
      return `Permissions Violation for Publish with Reply of ${JSON.stringify(reply)}`
    const target = grant?.reply ?? scope.publishTo(subject)
    const answerTo = reply === undefined ? undefined : scope.listenOn(reply)
    if (isReserved(target) || (answerTo !== undefined && isReserved(answerTo))) {
      return `Permissions Violation for Publish to ${JSON.stringify(subject)}`
    }
    if (headerSize > maxHeaders) return `Headers Violation for Publish to ${JSON.stringify(subject)}`
    this.#published += bytes.length
    if (maxData !== undefined && this.#published > maxData)
      return `Data Violation for Publish to ${JSON.stringify(subject)}`
    const tooFast = this.#count(subject, bytes.length)
    if (tooFast) return tooFast
    const block = headerSize > 0 ? bytes.subarray(0, headerSize) : undefined
    const payload = bytes.subarray(headerSize)
    const beyond = overreach(target, block, payload, permissions, scope.prefix !== '')
    if (beyond) return `Permissions Violation for Publish to ${JSON.stringify(subject)} with ${beyond}`
    // One that the client wrote would keep the message from another, who wants no echo; the last line counts.
    const named = block && originOf(block) !== undefined
    const headers = echo && !named ? block : withOrigin(block, id)
    // Nothing can be added to a block that isn't whole, or where there is no room.
    const size = (headers?.length ?? 0) + payload.length
    if (named && (originOf(headers as Uint8Array) !== id || size > this.#hub.maxBrokerPayload))
      return `Permissions Violation for Publish to ${JSON.stringify(subject)} with ${ORIGIN_HEADER}`
    try {
      this.mark = this.#hub.publish({
        subject: target,
        ...(answerTo !== undefined && { reply: answerTo }),
        ...(headers && { headers }),
        payload,
      })
      this.messages++
      this.bytes += bytes.length
      return undefined
    } catch (error) {
      return isSpanwireError(error, 'upstream-unavailable') ? closings.upstream : closings.protocol
    }
  }
}
