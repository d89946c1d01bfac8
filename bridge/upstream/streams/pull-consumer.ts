import { Consumer, type ConsumerSurroundings } from './consumer.ts'
import type { ConsumerConfig } from './consumer-config.ts'
import { type Fields, flag, integer } from './fields.ts'
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
  readonly timers: Set<ReturnType<typeof setTimeout>>
}

const NS_PER_MS = 1_000_000
const MAX_TIMER = 2 ** 31 - 1
/** So many are sent in one go; then others have their turn. */
const TURN = 256

/** Answers requests for a batch of messages (ADR-37 and nats-server). */
export class PullConsumer extends Consumer {
  readonly #waiting: Request[] = []
  #inactive: ReturnType<typeof setTimeout> | undefined
  #turn: ReturnType<typeof setTimeout> | undefined

  constructor(name: string, config: ConsumerConfig, stream: Stream, around: ConsumerSurroundings) {
    super(name, config, stream, around)
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
    for (const request of [...this.#waiting]) this.#end(request, 409, 'Consumer Deleted', false)
  }

  protected override details(): object {
    return { num_waiting: this.#waiting.length }
  }

  protected override pump(): void {
    if (this.#turn !== undefined) return
    for (let sent = 0; ; ) {
      const request = this.#waiting[0]
      if (!request) return
      if (!this.around.wire.hears(request.reply)) {
        this.#drop(request)
        continue
      }
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
      const weight = this.weigh(next)
      if (weight > request.bytesLeft) {
        this.#end(request, 409, 'Message Size Exceeds MaxBytes')
        continue
      }
      const delivery = this.take(next)
      if (!delivery) continue
      sent++
      this.around.wire.send(request.reply, delivery.message)
      request.left--
      request.bytesLeft -= weight
      request.served = true
      if (request.left > 0) continue
      if (Number.isFinite(request.bytesLeft) && request.bytesLeft > 0) this.#end(request, 409, 'Batch Completed')
      else this.#drop(request)
    }
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
