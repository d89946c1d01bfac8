import { MAX_TIMER } from '../../../sdk/kit/max-timer.ts'
import { Consumer, type ConsumerSurroundings } from './consumer.ts'
import type { ConsumerConfig } from './consumer-config.ts'
import { type Fields, flag, integer } from './fields.ts'
import { Pin, readGroup } from './pin.ts'
import { statusMessage } from './status.ts'
import type { Stream } from './stream.ts'

/** A request for messages that waits for them. */
interface Request {
  readonly reply: string
  left: number
  /** Infinity if the request set none. */
  bytesLeft: number
  readonly noWait: boolean
  served: boolean
  /** That of the client which has all messages to itself. */
  pin: string | undefined
  readonly timers: Set<ReturnType<typeof setTimeout>>
}

const NS_PER_MS = 1_000_000
/** So many are sent in one go; then others have their turn. */
const TURN = 256

/** Answers requests for a batch of messages (ADR-37 and nats-server). */
export class PullConsumer extends Consumer {
  readonly #waiting: Request[] = []
  readonly #pin: Pin | undefined
  #inactive: ReturnType<typeof setTimeout> | undefined
  #turn: ReturnType<typeof setTimeout> | undefined

  constructor(name: string, config: ConsumerConfig, stream: Stream, around: ConsumerSurroundings) {
    super(name, config, stream, around)
    if (config.priority_policy) this.#pin = new Pin(config, () => this.pump())
    this.#stayAlive()
  }

  /** `$JS.API.CONSUMER.MSG.NEXT`: a number, or an object. Throws ApiError. */
  request(reply: string, fields: Fields | number): void {
    this.#stayAlive()
    const asked = typeof fields === 'number' ? { batch: fields } : fields
    const { max_batch, max_expires, max_bytes, max_waiting = 512 } = this.config
    const batch = Math.max(integer(asked, 'batch'), 1)
    const expires = integer(asked, 'expires')
    const bytes = integer(asked, 'max_bytes')
    const heartbeat = integer(asked, 'idle_heartbeat')
    const refuse = (code: number, why: string) => this.around.wire.send(reply, statusMessage(reply, code, why))
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
    // Somebody who went away makes room for somebody who is there.
    for (const request of [...this.#waiting]) if (!this.around.wire.hears(request.reply)) this.#drop(request)
    if (this.#waiting.length >= max_waiting) return refuse(409, 'Exceeded MaxWaiting')
    const noWait = flag(asked, 'no_wait')
    const request: Request = {
      reply,
      left: batch,
      bytesLeft: bytes > 0 ? bytes : Number.POSITIVE_INFINITY,
      noWait: noWait && (expires === 0 || this.hasNext),
      served: false,
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

  /** Lets another client have the messages. */
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
      this.around.wire.send(request.reply, this.#pin ? this.#pin.mark(delivery.message) : delivery.message)
      request.left--
      request.bytesLeft -= weight
      request.served = true
      if (request.left > 0) continue
      if (Number.isFinite(request.bytesLeft) && request.bytesLeft > 0) this.#end(request, 409, 'Batch Completed')
      else this.#drop(request)
    }
  }

  /** The request that gets the next message. */
  #receiver(): Request | undefined {
    const pin = this.#pin?.id
    for (let at = 0; at < this.#waiting.length; ) {
      const request = this.#waiting[at] as Request
      // Both take it out, so that the next one is at the same place.
      if (!this.around.wire.hears(request.reply)) this.#drop(request)
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
          const status = statusMessage(request.reply, 100, 'Idle Heartbeat', [
            ['Nats-Last-Consumer', consumerSeq],
            ['Nats-Last-Stream', streamSeq],
          ])
          this.around.wire.send(request.reply, status)
        },
        Math.min(heartbeat / NS_PER_MS, MAX_TIMER),
      ),
    )
  }

  #end(request: Request, code: number, why: string, withRest = true): void {
    this.#drop(request)
    const bytes = Number.isFinite(request.bytesLeft) ? request.bytesLeft : 0
    const rest: Array<readonly [string, number]> = [
      ['Nats-Pending-Messages', request.left],
      ['Nats-Pending-Bytes', bytes],
    ]
    this.around.wire.send(request.reply, statusMessage(request.reply, code, why, withRest ? rest : []))
  }

  #drop(request: Request): void {
    for (const timer of request.timers) clearTimeout(timer)
    const index = this.#waiting.indexOf(request)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  /** Counts from now on how long nobody has asked. */
  #stayAlive(): void {
    const threshold = this.config.inactive_threshold
    if (threshold === undefined) return
    clearTimeout(this.#inactive)
    this.#inactive = setTimeout(
      () => (this.#waiting.length > 0 ? this.#stayAlive() : this.around.expired()),
      Math.min(threshold / NS_PER_MS, MAX_TIMER),
    )
  }
}
