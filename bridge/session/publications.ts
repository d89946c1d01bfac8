import { isThenable } from '../../sdk/kit/kinds.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import { isChannel, presenceChannel } from '../../sdk/wire/presence-frames.ts'
import { isSubject } from '../../sdk/wire/subject.ts'
import { isPublishSubject } from '../auth/api-permissions.ts'
import { permitMessage } from '../auth/message-permissions.ts'
import { INBOX, isReserved, mayBeAnswered, mayBePresent, mayPublish } from '../auth/permissions.ts'
import { PENALTY, RateMeter } from '../auth/rate-meter.ts'
import { readCommands } from '../auth/server-commands.ts'
import type { ContractGate, Verdict } from '../contract/contract-gate.ts'
import { costOf, type Violation } from '../contract/violation.ts'
import { type Client, shareOf } from '../delivery/client.ts'
import { toBrokerHeaders, toClientHeaders } from '../delivery/client-headers.ts'
import { ORIGIN_HEADER, originOf, withOrigin } from '../delivery/origin-header.ts'
import { isBridgeInbox } from '../delivery/subject-scope.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { closeReasons } from './close-reason.ts'
import type { PublishOp } from './operation-reader.ts'
import type { PendingPublish } from './pending-publishes.ts'
import { type Outcome, type Refusal, toRefusal } from './refusal.ts'
import type { SessionHub } from './session-hub.ts'
import type { Subscriptions } from './subscriptions.ts'

/** A client whose refusals exceed its accepted publishes by this number is closed. */
const MAX_REFUSALS = 100

type PublicationServices = Pick<
  SessionHub,
  'limits' | 'clock' | 'upstream' | 'users' | 'channels' | 'noResponders' | 'contract'
>

/** Subjects of a publish at the broker. */
interface Target {
  readonly subject: string
  readonly reply: string | undefined
}

/** A client's publishes: checks them and hands them to the broker. */
export class Publications {
  readonly #hub: PublicationServices
  readonly #client: Client
  readonly #subscriptions: Subscriptions
  /** Rate of an anonymous client. A user has one rate over all connections. */
  #ownMeter: RateMeter | undefined
  #refusals = 0
  #totalBytes = 0
  /** Messages that were handed to the broker. */
  messages = 0
  /** Their header blocks and payloads, in bytes. */
  bytes = 0
  /** Operation of the last publish; see {@link SharedUpstream.confirm}. */
  lastOperation = 0

  constructor(hub: PublicationServices, client: Client, subscriptions: Subscriptions) {
    this.#hub = hub
    this.#client = client
    this.#subscriptions = subscriptions
  }

  /**
   * @param bytes header block and payload
   * @param mustWait whether earlier publishes of the client still wait
   * @returns the outcome, or a publish that waits for a decision
   */
  publish(op: PublishOp, bytes: Uint8Array, mustWait: boolean): Outcome | PendingPublish {
    const invalid = this.#checkSubjects(op)
    if (invalid) return invalid
    const channel = presenceChannel(op.subject)
    if (channel !== undefined) return this.#publishPresence(channel, op, bytes)
    const target = this.#permit(op)
    if ('refused' in target) return target
    const limited = this.#checkLimits(op, bytes)
    if (limited) return limited
    const message = this.#build(op, bytes, target)
    if ('refused' in message) return message
    const { contract } = this.#hub
    if (!contract) return this.#send(message, op, bytes.length)
    const conclude = (violation: Violation | undefined, held = message) =>
      violation ? this.#refuse(violation, op, held) : this.#send(held, op, bytes.length)
    const verdict = this.#check(contract, op, bytes)
    if (!isThenable(verdict) && !mustWait) return conclude(verdict)
    const held = compact(message, bytes.length)
    return {
      verdict: Promise.resolve(verdict),
      bytes: bytes.length,
      conclude: (violation) => conclude(violation, held),
    }
  }

  /** Checks by the contract. Charges for issues at once, also if earlier publishes wait. */
  #check(contract: ContractGate, { subject, reply, headerSize }: PublishOp, bytes: Uint8Array): Verdict {
    const headers = headerSize > 0 ? bytes.subarray(0, headerSize) : undefined
    const payload = bytes.subarray(headerSize)
    const verdict = contract.publish(this.#client.identity, { subject, reply, headers, payload })
    const charge = (violation: Violation | undefined) => {
      if (violation?.violates === 'data') this.#meter.charge(costOf(violation), this.#hub.clock())
      return violation
    }
    return isThenable(verdict) ? verdict.then(charge) : charge(verdict)
  }

  #refuse(violation: Violation, op: PublishOp, { headers }: UpstreamMessage): Refusal {
    return toRefusal(violation, op, headers && toClientHeaders(headers, this.#client.scope))
  }

  #checkSubjects({ subject, reply }: PublishOp): Refusal | undefined {
    const { pedantic } = this.#client.flags
    const isShort = (name: string) => name.length <= this.#hub.limits.maxSubjectLength
    if (!isShort(subject) || !isPublishSubject(subject))
      return pedantic ? { refused: 'invalid-publish-subject' } : { refused: 'publish-permission', subject }
    if (reply === undefined || (isShort(reply) && isSubject(reply))) return undefined
    return pedantic ? { refused: 'invalid-publish-subject' } : { refused: 'reply-permission', reply }
  }

  /** Checks permissions for subject and reply subject, and maps both to the broker's. */
  #permit({ subject, reply }: PublishOp): Target | Refusal {
    const { identity, replies, scope } = this.#client
    const grant = replies.use(subject)
    if (!grant?.permitted && !mayPublish(identity.permissions, subject))
      return { refused: 'publish-permission', subject }
    if (reply !== undefined && !mayBeAnswered(identity.permissions, reply))
      return { refused: 'reply-permission', reply }
    const isOwnInbox = subject.startsWith(INBOX) && !isBridgeInbox(subject) && this.#subscriptions.hasInbox(subject)
    const target = {
      subject: grant?.reply ?? (isOwnInbox ? scope.listenOn(subject) : scope.publishTo(subject)),
      reply: reply === undefined ? undefined : scope.listenOn(reply),
    }
    const isOutside = isReserved(target.subject) || (target.reply !== undefined && isReserved(target.reply))
    return isOutside ? { refused: 'publish-permission', subject } : target
  }

  /** Checks the size of headers, the data limit of the credentials, and the rate. */
  #checkLimits({ subject, headerSize }: PublishOp, { length }: Uint8Array): Outcome {
    if (headerSize > this.#hub.limits.maxHeaders) return { refused: 'headers', subject }
    const maxData = this.#client.identity.limits?.data
    this.#totalBytes += length
    if (maxData !== undefined && this.#totalBytes > maxData) return { refused: 'data', subject }
    return this.#checkRate(subject, length)
  }

  #checkRate(subject: string, bytes: number): Outcome {
    if (!this.#meter.take(bytes, this.#hub.clock()))
      return ++this.#refusals > MAX_REFUSALS ? this.#suspend() : { refused: 'rate', subject }
    // Not set to zero: part of a steady flood is within the rate.
    if (this.#refusals > 0) this.#refusals--
    return undefined
  }

  get #meter(): RateMeter {
    const { user } = this.#client.identity
    if (user !== '') return this.#hub.users.meterOf(user)
    this.#ownMeter ??= new RateMeter(this.#hub.limits.publishRate, this.#hub.clock())
    return this.#ownMeter
  }

  #suspend(): Outcome {
    this.#meter.suspend(this.#hub.clock() + PENALTY)
    return closeReasons.publishRate
  }

  /** Checks headers and body for commands to the broker, and maps them to the broker's names. */
  #build({ subject, headerSize }: PublishOp, bytes: Uint8Array, target: Target): UpstreamMessage | Refusal {
    const { identity, scope } = this.#client
    const block = headerSize > 0 ? bytes.subarray(0, headerSize) : undefined
    const permitted = permitMessage(
      { subject: target.subject, headers: block, payload: bytes.subarray(headerSize) },
      {
        permissions: identity.permissions,
        prefixed: scope.prefix !== '',
        inbox: (inbox) => scope.listenOn(inbox),
        isEvent: (to) => this.#hub.contract?.hasEvent(to) ?? false,
      },
    )
    if ('forbidden' in permitted) return { refused: 'publish-permission', subject, beyond: permitted.forbidden }
    const refused = block && this.#checkCommands(subject, block)
    if (refused) return refused
    const { payload } = permitted
    const headers = this.#withOrigin(block && toBrokerHeaders(block, scope))
    if (headers === 'incomplete') return { refused: 'publish-permission', subject, beyond: ORIGIN_HEADER }
    if ((headers?.length ?? 0) + payload.length > this.#hub.upstream.maxPayload)
      return { refused: 'publish-permission', subject, beyond: 'more bytes than the broker takes' }
    return {
      subject: target.subject,
      ...(target.reply !== undefined && { reply: target.reply }),
      ...(headers && { headers }),
      payload,
    }
  }

  /** Checks that the broker knows the commands of the headers, and counts batches. */
  #checkCommands(subject: string, block: Uint8Array): Refusal | undefined {
    const { ignored, batch } = readCommands(block, this.#hub.upstream.info)
    if (ignored !== undefined) return { refused: 'publish-permission', subject, beyond: ignored }
    return batch && !this.#hub.users.batch(shareOf(this.#client), batch) ? { refused: 'batches', subject } : undefined
  }

  /** Adds the origin header of a client with `echo: false`. An incomplete block can't get one. */
  #withOrigin(block: Uint8Array | undefined): Uint8Array | undefined | 'incomplete' {
    const { id, flags } = this.#client
    // With an origin header of its own a client could keep the message from another client. The last one counts.
    const hasOrigin = block !== undefined && originOf(block) !== undefined
    if (flags.echo && !hasOrigin) return block
    const headers = withOrigin(block, id)
    return hasOrigin && originOf(headers) !== id ? 'incomplete' : headers
  }

  /** Returns the operation at the shared upstream. */
  #publish(message: UpstreamMessage): number {
    const { upstream, noResponders } = this.#hub
    const { branch } = this.#subscriptions
    if (message.reply !== undefined) noResponders.expect(this.#subscriptions, message.reply)
    const user = shareOf(this.#client)
    if (!branch) return upstream.publish(message, user)
    branch.publish(message, user)
    return upstream.register()
  }

  #send(message: UpstreamMessage, { subject }: PublishOp, bytes: number): Outcome {
    try {
      this.lastOperation = this.#publish(message)
    } catch (error) {
      return isSpanwireError(error, 'upstream-unavailable') ? { refused: 'upstream', subject } : closeReasons.protocol
    }
    this.messages++
    this.bytes += bytes
    return undefined
  }

  /** Orders to a channel of presence stay at the hub. */
  #publishPresence(channel: string, { subject, headerSize }: PublishOp, bytes: Uint8Array): Outcome {
    if (!isChannel(channel) || !mayBePresent(this.#client.identity.permissions.publish, subject))
      return { refused: 'publish-permission', subject }
    const payload = bytes.subarray(headerSize)
    const limited = this.#checkRate(subject, payload.length)
    if (limited) return limited
    const isTaken = this.#hub.channels.take(channel, this.#client, payload)
    return isTaken ? undefined : { refused: 'presence', subject }
  }
}

/** A message that waits. It is a view of the bytes that arrived with it, which would all stay in memory. */
function compact(message: UpstreamMessage, size: number): UpstreamMessage {
  const { payload, headers } = message
  if (2 * size >= payload.buffer.byteLength) return message
  return { ...message, payload: payload.slice(), ...(headers && { headers: headers.slice() }) }
}
