import { MAX_TIMER } from '../../../sdk/kit/max-timer.ts'
import { ClientPin, readGroup } from './client-pin.ts'
import type { ConsumerConfig } from './consumer-config.ts'
import { type Fields, flag, integer } from './fields.ts'
import { statusMessage } from './status-message.ts'
import type { Stream } from './stream.ts'
import { Consumer, type ConsumerServices } from './stream-consumer.ts'

/** A pending pull request. */
interface Request {
  readonly reply: string
  left: number
  /** Infinity if the request set none. */
  bytesLeft: number
  readonly noWait: boolean
  /** Pin id of its client, with a priority policy. */
  pin: string | undefined
  readonly timers: Set<ReturnType<typeof setTimeout>>
}

const NS_PER_MS = 1_000_000
/** Messages sent in one turn of the event loop. */
const TURN = 256

/** Delivers messages to pull requests (ADR-37 and nats-server). */
export class PullConsumer extends Consumer {
  readonly #waiting: Request[] = []
  readonly #pin: ClientPin | undefined
  #inactive: ReturnType<typeof setTimeout> | undefined
  #turn: ReturnType<typeof setTimeout> | undefined

  constructor(name: string, config: ConsumerConfig, stream: Stream, services: ConsumerServices) {
    super(name, config, stream, services)
    if (config.priority_policy) this.#pin = new ClientPin(config, () => this.pump())
    this.#stayAlive()
  }

  /** Handles `$JS.API.CONSUMER.MSG.NEXT`. @param fields or the size of the batch. Throws ApiError */
  request(reply: string, fields: Fields | number): void {
    this.#stayAlive()
    const asked = typeof fields === 'number' ? { batch: fields } : fields
    const { max_batch, max_expires, max_bytes, max_waiting = 512 } = this.config
    const batch = Math.max(integer(asked, 'batch'), 1)
    const expires = integer(asked, 'expires')
    const bytes = integer(asked, 'max_bytes')
    const heartbeat = integer(asked, 'idle_heartbeat')
    const refuse = (code: number, reason: string) =>
      this.services.port.send(reply, statusMessage(reply, { code, reason }))
    if (max_batch !== undefined && batch > max_batch) return refuse(409, `Exceeded MaxRequestBatch of ${max_batch}`)
    if (max_expires !== undefined && expires > max_expires)
      return refuse(409, `Exceeded MaxRequestExpires of ${max_expires / NS_PER_MS}ms`)
    if (max_bytes !== undefined && bytes > max_bytes) return refuse(409, `Exceeded MaxRequestMaxBytes of ${max_bytes}`)
    if (heartbeat > 0 && heartbeat * 2 > expires) return refuse(400, 'Bad Request - heartbeat value too large')
    if (expires < 0) return refuse(408, 'Request Timeout')
    const pin = readGroup(asked, this.config)
    if (this.#pin?.id !== undefined && pin !== undefined) {
      if (pin !== this.#pin.id) return refuse(423, 'Nats-Pin-Id mismatch')
      this.#pin.renew()
    }
    // Requests without interest are dropped first.
    for (const request of [...this.#waiting]) if (!this.services.port.hasInterest(request.reply)) this.#drop(request)
    if (this.#waiting.length >= max_waiting) return refuse(409, 'Exceeded MaxWaiting')
    const noWait = flag(asked, 'no_wait')
    const request: Request = {
      reply,
      left: batch,
      bytesLeft: bytes > 0 ? bytes : Number.POSITIVE_INFINITY,
      noWait: noWait && (expires === 0 || this.hasNext),
      pin,
      timers: new Set(),
    }
    if (expires > 0 && !request.noWait) this.#time(request, expires, heartbeat)
    this.#waiting.push(request)
    this.pump()
  }

  override close(): void {
    super.close()
    clearTimeout(this.#inactive)
    clearTimeout(this.#turn)
    this.#pin?.release()
    for (const request of [...this.#waiting]) this.#end(request, 409, 'Consumer Deleted', false)
  }

  /** Releases the pinned client, so that another one gets the messages. */
  unpin(): void {
    this.#pin?.release()
    this.pump()
  }

  protected override details(): object {
    const id = this.#pin?.id
    const group = { group: this.config.priority_groups?.[0], ...(id !== undefined && { pinned_client_id: id }) }
    return { num_waiting: this.#waiting.length, ...(this.#pin && { priority_groups: [group] }) }
  }

  protected override pump(): void {
    if (this.#turn !== undefined) return
    for (let sent = 0; this.#waiting.length > 0; ) {
      const next = this.peek()
      if (!next) {
        const impatient = this.#waiting.find(({ noWait }) => noWait)
        if (!impatient) return
        this.#end(impatient, 404, 'No Messages', false)
        continue
      }
      if (sent >= TURN) {
        this.#turn = setTimeout(() => {
          this.#turn = undefined
          this.pump()
        }, 0)
        return
      }
      const request = this.#receiver()
      if (!request) return
      const weight = this.weigh(next)
      if (weight > request.bytesLeft) {
        this.#end(request, 409, 'Message Size Exceeds MaxBytes')
        continue
      }
      if (this.#pin && this.#pin.id === undefined) request.pin = this.#pin.assign()
      const delivery = this.take(next)
      if (!delivery) continue
      sent++
      this.services.port.send(request.reply, this.#pin ? this.#pin.addHeader(delivery.message) : delivery.message)
      request.left--
      request.bytesLeft -= weight
      if (request.left > 0) continue
      if (Number.isFinite(request.bytesLeft) && request.bytesLeft > 0) this.#end(request, 409, 'Batch Completed')
      else this.#drop(request)
    }
  }

  /** The request for the next message. */
  #receiver(): Request | undefined {
    const pin = this.#pin?.id
    for (let at = 0; at < this.#waiting.length; ) {
      const request = this.#waiting[at] as Request
      // The first and third case remove it, so the next request has the same index.
      if (!this.services.port.hasInterest(request.reply)) this.#drop(request)
      else if (request.pin === pin) return request
      else if (request.pin !== undefined) this.#end(request, 423, 'Nats-Wrong-Pin-Id')
      else at++
    }
    return undefined
  }

  #time(request: Request, expires: number, heartbeat: number): void {
    const late = setTimeout(() => this.#end(request, 408, 'Request Timeout'), Math.min(expires / NS_PER_MS, MAX_TIMER))
    request.timers.add(late)
    if (heartbeat <= 0) return
    request.timers.add(
      setInterval(
        () => {
          const { consumerSeq, streamSeq } = this.lastSequences
          const fields = [
            ['Nats-Last-Consumer', consumerSeq],
            ['Nats-Last-Stream', streamSeq],
          ] as const
          const status = statusMessage(request.reply, { code: 100, reason: 'Idle Heartbeat', fields })
          this.services.port.send(request.reply, status)
        },
        Math.min(heartbeat / NS_PER_MS, MAX_TIMER),
      ),
    )
  }

  /** Ends a request with a status. @param withRest whether to report how much of the request is left */
  #end(request: Request, code: number, reason: string, withRest = true): void {
    this.#drop(request)
    const bytes = Number.isFinite(request.bytesLeft) ? request.bytesLeft : 0
    const rest: Array<readonly [string, number]> = [
      ['Nats-Pending-Messages', request.left],
      ['Nats-Pending-Bytes', bytes],
    ]
    const status = statusMessage(request.reply, { code, reason, fields: withRest ? rest : [] })
    this.services.port.send(request.reply, status)
  }

  #drop(request: Request): void {
    for (const timer of request.timers) clearTimeout(timer)
    const index = this.#waiting.indexOf(request)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  /** Restarts the inactivity timer. */
  #stayAlive(): void {
    const threshold = this.config.inactive_threshold
    if (threshold === undefined) return
    clearTimeout(this.#inactive)
    this.#inactive = setTimeout(
      () => (this.#waiting.length > 0 ? this.#stayAlive() : this.services.expired()),
      Math.min(threshold / NS_PER_MS, MAX_TIMER),
    )
  }
}
