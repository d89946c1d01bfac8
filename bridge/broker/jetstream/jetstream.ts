import { hasWildcard, matchesFilter } from '../../../sdk/wire/subject.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { ApiError, apiErrors } from './api-error.ts'
import { ConsumerApi } from './consumer-api.ts'
import { directGet } from './direct-get.ts'
import { type Fields, readFields } from './fields.ts'
import { PullConsumer } from './pull-consumer.ts'
import { PushConsumer } from './push-consumer.ts'
import { statusMessage } from './status.ts'
import { StreamApi } from './stream-api.ts'
import { Streams, type StreamsOptions } from './streams.ts'
import { NO_BYTES, type Wire } from './wire.ts'

const API = '$JS.API.'
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * JetStream inside the process: a subset of its API, on the subjects on which nats-server has it. What isn't supported
 * is refused with an error that says so.
 */
export class JetStream {
  readonly #streams: Streams
  readonly #streamApi: StreamApi
  readonly #consumerApi: ConsumerApi
  readonly #wire: Wire
  readonly #clock: () => number
  #requests = 0
  #errors = 0

  constructor(wire: Wire, options: StreamsOptions) {
    this.#wire = wire
    this.#clock = options.clock
    this.#streams = new Streams(options)
    this.#streamApi = new StreamApi(this.#streams, options.clock)
    this.#consumerApi = new ConsumerApi(this.#streams, wire, options.clock)
  }

  /** Takes what was published, if it concerns streams. Returns whether somebody will answer, or has taken note. */
  take(message: UpstreamMessage): boolean {
    if (message.subject.startsWith('$')) {
      if (message.subject.startsWith(API)) return this.#request(message)
      if (message.subject.startsWith('$JS.ACK.')) return this.#acknowledge(message)
      if (message.subject.startsWith('$JS.FC.')) return this.#flowAnswered(message.subject)
    }
    return this.#capture(message)
  }

  /** Somebody subscribed to that filter, or unsubscribed. */
  interestChanged(filter: string): void {
    if (this.#consumerApi.count === 0) return
    if (!hasWildcard(filter)) {
      for (const consumer of [...this.#consumerApi.sendingTo(filter)]) consumer.interestChanged()
      return
    }
    for (const consumer of [...this.#consumerApi.pushing()]) {
      if (matchesFilter(filter, consumer.deliverSubject)) consumer.interestChanged()
    }
  }

  close(): void {
    this.#streams.close()
  }

  #capture(message: UpstreamMessage): boolean {
    const stream = this.#streams.capturing(message.subject)
    if (!stream) return false
    const { name, no_ack } = stream.config
    let answer: object
    try {
      const { seq, duplicate } = stream.append(message)
      answer = { stream: name, seq, ...(duplicate && { duplicate }) }
    } catch (error) {
      answer = { error: toApiError(error), stream: name, seq: 0 }
    }
    if (message.reply !== undefined && !no_ack) this.#answer(message.reply, answer)
    return true
  }

  #request({ subject, reply, payload }: UpstreamMessage): boolean {
    const tokens = subject.slice(API.length).split('.')
    const [area, verb, ...rest] = tokens as [string, ...string[]]
    const answer = (type: string, run: (fields: Fields) => object) => this.#respond(reply, type, payload, run)
    const [a = '', b = ''] = rest
    const one = rest.length === 1
    const streams = this.#streamApi
    const consumers = this.#consumerApi
    if (area === 'INFO' && tokens.length === 1) return answer('account_info', () => this.#account())
    if (area === 'DIRECT' && verb === 'GET') return this.#directGet(rest, reply, payload)
    if (area === 'STREAM') {
      if (verb === 'NAMES' && rest.length === 0) return answer('stream_names', (fields) => streams.names(fields))
      if (verb === 'LIST' && rest.length === 0) return answer('stream_list', (fields) => streams.list(fields))
      if (verb === 'MSG' && rest.length === 2) {
        if (a === 'GET') return answer('stream_msg_get', (fields) => streams.getMessage(b, fields))
        if (a === 'DELETE') return answer('stream_msg_delete', (fields) => streams.deleteMessage(b, fields))
      }
      if (one && verb === 'CREATE') return answer('stream_create', (fields) => streams.create(a, fields))
      if (one && verb === 'UPDATE') return answer('stream_update', (fields) => streams.update(a, fields))
      if (one && verb === 'INFO') return answer('stream_info', (fields) => streams.info(a, fields))
      if (one && verb === 'PURGE') return answer('stream_purge', (fields) => streams.purge(a, fields))
      if (one && verb === 'DELETE') return answer('stream_delete', () => this.#deleteStream(a))
    }
    if (area === 'CONSUMER') {
      if (verb === 'CREATE' && rest.length > 0) {
        const filter = rest.length > 2 ? { filter: rest.slice(2).join('.') } : {}
        return this.#createConsumer(reply, payload, { stream: a, name: rest[1], ...filter })
      }
      if (verb === 'DURABLE' && a === 'CREATE' && rest.length === 3)
        return this.#createConsumer(reply, payload, { stream: b, name: rest[2], durable: true })
      if (one && verb === 'NAMES') return answer('consumer_names', (fields) => consumers.names(a, fields))
      if (one && verb === 'LIST') return answer('consumer_list', (fields) => consumers.list(a, fields))
      if (verb === 'INFO' && rest.length === 2) return answer('consumer_info', () => consumers.info(a, b))
      if (verb === 'UNPIN' && rest.length === 2)
        return answer('consumer_unpin', (fields) => consumers.unpin(a, b, fields))
      if (verb === 'DELETE' && rest.length === 2) return answer('consumer_delete', () => consumers.delete(a, b))
      if (verb === 'MSG' && a === 'NEXT' && rest.length === 3) return this.#next(b, rest[2] as string, reply, payload)
    }
    return false
  }

  #createConsumer(
    reply: string | undefined,
    payload: Uint8Array,
    subject: Parameters<ConsumerApi['create']>[0],
  ): boolean {
    let start = () => {}
    this.#respond(reply, 'consumer_create', payload, (fields) => {
      const created = this.#consumerApi.create(subject, fields)
      start = created.start
      return created.answer
    })
    start()
    return true
  }

  #deleteStream(name: string): object {
    this.#consumerApi.forget(this.#streams.get(name))
    return this.#streamApi.delete(name)
  }

  #next(stream: string, name: string, reply: string | undefined, payload: Uint8Array): boolean {
    const consumer = this.#consumerApi.find(stream, name)
    if (!consumer || reply === undefined) return false
    const refuse = (code: number, why: string) => this.#wire.send(reply, statusMessage(reply, code, why))
    if (!(consumer instanceof PullConsumer)) {
      refuse(409, 'Consumer is push based')
      return true
    }
    try {
      const word = decoder.decode(payload)
      consumer.request(reply, /^\d+$/.test(word) ? Number(word) : readFields(payload))
    } catch (error) {
      refuse(400, `Bad Request - ${toApiError(error).message}`)
    }
    return true
  }

  #directGet([name = '', ...subject]: string[], reply: string | undefined, payload: Uint8Array): boolean {
    const stream = this.#streams.find(name)?.stream
    if (!stream?.config.allow_direct || reply === undefined) return false
    let answer: UpstreamMessage
    try {
      const fields = subject.length > 0 ? { last_by_subj: subject.join('.') } : readFields(payload)
      answer = directGet(stream, fields, reply, this.#clock())
    } catch {
      answer = directGet(stream, {}, reply, this.#clock())
    }
    this.#wire.send(reply, answer)
    return true
  }

  /** `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.…` */
  #acknowledge({ subject, reply, payload }: UpstreamMessage): boolean {
    const [, , stream = '', name = '', , seq] = subject.split('.')
    const consumer = this.#consumerApi.find(stream, name)
    if (!consumer) return false
    consumer.acknowledged(Number(seq), payload)
    if (reply === undefined) return true
    if (consumer instanceof PullConsumer && decoder.decode(payload.subarray(0, 4)) === '+NXT') {
      this.#next(stream, name, reply, payload.slice(4))
    } else {
      this.#wire.send(reply, { subject: reply, payload: NO_BYTES })
    }
    return true
  }

  #flowAnswered(subject: string): boolean {
    const [, , stream = '', name = ''] = subject.split('.')
    const consumer = this.#consumerApi.find(stream, name)
    if (consumer instanceof PushConsumer) consumer.flowAnswered(subject)
    return true
  }

  #account(): object {
    const hosted = this.#streams.all()
    const bytes = (storage: string) =>
      hosted.reduce((sum, { stream }) => sum + (stream.config.storage === storage ? stream.bytes : 0), 0)
    return {
      memory: bytes('memory'),
      storage: bytes('file'),
      streams: hosted.length,
      consumers: this.#consumerApi.count,
      limits: {
        max_memory: -1,
        max_storage: -1,
        max_streams: -1,
        max_consumers: -1,
        max_ack_pending: -1,
        memory_max_stream_bytes: -1,
        storage_max_stream_bytes: -1,
        max_bytes_required: false,
      },
      api: { total: this.#requests, errors: this.#errors },
    }
  }

  #respond(reply: string | undefined, type: string, payload: Uint8Array, run: (fields: Fields) => object): boolean {
    this.#requests++
    let answer: object
    try {
      answer = run(readFields(payload))
    } catch (error) {
      this.#errors++
      answer = { error: toApiError(error) }
    }
    if (reply !== undefined) this.#answer(reply, { type: `io.nats.jetstream.api.v1.${type}_response`, ...answer })
    return true
  }

  #answer(reply: string, answer: object): void {
    this.#wire.send(reply, { subject: reply, payload: encoder.encode(JSON.stringify(answer)) })
  }
}

function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return apiErrors.storeFailed(`the embedded broker's store failed: ${error instanceof Error ? error.message : error}`)
}
