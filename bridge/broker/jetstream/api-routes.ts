import { SubjectTree } from '../../upstream/subject-tree.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { toApiError } from './api-error.ts'
import type { BrokerPort } from './broker-port.ts'
import { ConsumerApi, type ConsumerSubject } from './consumer-api.ts'
import { type Fields, readFields } from './fields.ts'
import { PullConsumer } from './pull-consumer.ts'
import { statusMessage } from './status-message.ts'
import { directGet, StreamApi } from './stream-api.ts'
import type { StreamRegistry } from './stream-registry.ts'

/** Beginning of the subjects of all requests. */
export const API_PREFIX = '$JS.API.'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A request to JetStream's API. */
interface ApiRequest {
  /** Tokens in place of the wildcards of its route. */
  readonly names: readonly string[]
  readonly reply: string | undefined
  readonly payload: Uint8Array
}

/** Handles a request. Returns whether it will be answered, or needs no answer. */
type Handler = (request: ApiRequest) => boolean

interface Route {
  /** Number of tokens before the first wildcard. */
  readonly literals: number
  readonly handle: Handler
}

/** The requests of JetStream's API: one table from subjects to handlers. */
export class ApiRoutes {
  readonly consumers: ConsumerApi
  readonly #registry: StreamRegistry
  readonly #streams: StreamApi
  readonly #port: BrokerPort
  readonly #clock: () => number
  readonly #routes = new SubjectTree<Route>()
  #requests = 0
  #errors = 0

  constructor(registry: StreamRegistry, port: BrokerPort, clock: () => number) {
    this.#registry = registry
    this.#port = port
    this.#clock = clock
    this.#streams = new StreamApi(registry, clock)
    this.consumers = new ConsumerApi(registry, port, clock)
    for (const [pattern, handle] of Object.entries(this.#table())) {
      const tokens = pattern.split('.')
      const wildcard = tokens.indexOf('*')
      this.#routes.add(pattern, { literals: wildcard < 0 ? tokens.length : wildcard, handle })
    }
  }

  /** Handles a message to {@link API_PREFIX}. Returns false for an unknown request, which has no responder then. */
  handle({ subject, reply, payload }: UpstreamMessage): boolean {
    const path = subject.slice(API_PREFIX.length)
    const [route] = this.#routes.match(path)
    return route?.handle({ names: path.split('.').slice(route.literals), reply, payload }) ?? false
  }

  /** Publishes an answer as JSON. */
  answer(reply: string, answer: object): void {
    this.#port.send(reply, { subject: reply, payload: encoder.encode(JSON.stringify(answer)) })
  }

  /** `CONSUMER.MSG.NEXT`, also as part of an acknowledgement (`+NXT`). */
  next({ names: [stream = '', name = ''], reply, payload }: ApiRequest): boolean {
    const consumer = this.consumers.find(stream, name)
    if (!consumer || reply === undefined) return false
    const refuse = (code: number, reason: string) => this.#port.send(reply, statusMessage(reply, { code, reason }))
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

  #table(): Record<string, Handler> {
    const streams = this.#streams
    const { consumers } = this
    const respond =
      (type: string, run: (names: readonly string[], fields: Fields) => object) => (request: ApiRequest) =>
        this.#respond(request, type, (fields) => run(request.names, fields))
    const ofStream = (type: string, run: (stream: string, fields: Fields) => object) =>
      respond(type, ([stream = ''], fields) => run(stream, fields))
    const ofConsumer = (type: string, run: (stream: string, name: string, fields: Fields) => object) =>
      respond(type, ([stream = '', name = ''], fields) => run(stream, name, fields))
    const createConsumer = (more: (names: readonly string[]) => Partial<ConsumerSubject>) => (request: ApiRequest) => {
      const [stream = '', name] = request.names
      return this.#createConsumer(request, { stream, name, ...more(request.names) })
    }
    return {
      INFO: respond('account_info', () => this.#account()),
      'STREAM.NAMES': respond('stream_names', (_, fields) => streams.names(fields)),
      'STREAM.LIST': respond('stream_list', (_, fields) => streams.list(fields)),
      'STREAM.CREATE.*': ofStream('stream_create', (stream, fields) => streams.create(stream, fields)),
      'STREAM.UPDATE.*': ofStream('stream_update', (stream, fields) => streams.update(stream, fields)),
      'STREAM.INFO.*': ofStream('stream_info', (stream, fields) => streams.info(stream, fields)),
      'STREAM.PURGE.*': ofStream('stream_purge', (stream, fields) => streams.purge(stream, fields)),
      'STREAM.DELETE.*': ofStream('stream_delete', (stream) => this.#deleteStream(stream)),
      'STREAM.MSG.GET.*': ofStream('stream_msg_get', (stream, fields) => streams.getMessage(stream, fields)),
      'STREAM.MSG.DELETE.*': ofStream('stream_msg_delete', (stream, fields) => streams.deleteMessage(stream, fields)),
      'DIRECT.GET.*': (request) => this.#directGet(request),
      'DIRECT.GET.*.>': (request) => this.#directGet(request),
      'CONSUMER.CREATE.*': createConsumer(() => ({})),
      'CONSUMER.CREATE.*.*': createConsumer(() => ({})),
      'CONSUMER.CREATE.*.*.>': createConsumer(([, , ...filter]) => ({ filter: filter.join('.') })),
      'CONSUMER.DURABLE.CREATE.*.*': createConsumer(() => ({ durable: true })),
      'CONSUMER.NAMES.*': ofStream('consumer_names', (stream, fields) => consumers.names(stream, fields)),
      'CONSUMER.LIST.*': ofStream('consumer_list', (stream, fields) => consumers.list(stream, fields)),
      'CONSUMER.INFO.*.*': ofConsumer('consumer_info', (stream, name) => consumers.info(stream, name)),
      'CONSUMER.UNPIN.*.*': ofConsumer('consumer_unpin', (stream, name, fields) =>
        consumers.unpin(stream, name, fields),
      ),
      'CONSUMER.DELETE.*.*': ofConsumer('consumer_delete', (stream, name) => consumers.delete(stream, name)),
      'CONSUMER.MSG.NEXT.*.*': (request) => this.next(request),
    }
  }

  #createConsumer(request: ApiRequest, subject: ConsumerSubject): boolean {
    let start = () => {}
    this.#respond(request, 'consumer_create', (fields) => {
      const created = this.consumers.create(subject, fields)
      start = created.start
      return created.answer
    })
    start()
    return true
  }

  #deleteStream(name: string): object {
    this.consumers.forget(this.#registry.get(name))
    return this.#streams.delete(name)
  }

  #directGet({ names: [name = '', ...subject], reply, payload }: ApiRequest): boolean {
    const stream = this.#registry.find(name)?.stream
    if (!stream?.config.allow_direct || reply === undefined) return false
    const now = this.#clock()
    let answer: UpstreamMessage
    try {
      const fields = subject.length > 0 ? { last_by_subj: subject.join('.') } : readFields(payload)
      answer = directGet(stream, fields, reply, now)
    } catch {
      // Malformed fields. nats-server answers as to an empty request.
      answer = directGet(stream, {}, reply, now)
    }
    this.#port.send(reply, answer)
    return true
  }

  #account(): object {
    const hosted = this.#registry.all()
    const bytes = (storage: string) =>
      hosted.reduce((sum, { stream }) => sum + (stream.config.storage === storage ? stream.bytes : 0), 0)
    return {
      memory: bytes('memory'),
      storage: bytes('file'),
      streams: hosted.length,
      consumers: this.consumers.count,
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

  #respond({ reply, payload }: ApiRequest, type: string, run: (fields: Fields) => object): boolean {
    this.#requests++
    let answer: object
    try {
      answer = run(readFields(payload))
    } catch (error) {
      this.#errors++
      answer = { error: toApiError(error) }
    }
    if (reply !== undefined) this.answer(reply, { type: `io.nats.jetstream.api.v1.${type}_response`, ...answer })
    return true
  }
}
