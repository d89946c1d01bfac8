import { apiErrors } from './api-error.ts'
import type { Consumer } from './consumer.ts'
import { type ConsumerConfig, readConsumerConfig } from './consumer-config.ts'
import { asFields, type Fields, text } from './fields.ts'
import { PullConsumer } from './pull-consumer.ts'
import { PushConsumer } from './push-consumer.ts'
import { page } from './stream-api.ts'
import { sameConfig } from './stream-config.ts'
import type { HostedStream, Streams } from './streams.ts'
import type { Wire } from './wire.ts'

/** Each has timers and a place in memory; some kB. */
const MAX_CONSUMERS = 10_000
const NAMES_PAGE = 1_024
const LIST_PAGE = 256
/** What an update may change; all else is another consumer. */
const CHANGEABLE = { description: undefined, metadata: undefined }

/** Where in the subject of a request the names were. */
export interface ConsumerSubject {
  readonly stream: string
  /** Undefined in the oldest form, which names no consumer. */
  readonly name: string | undefined
  readonly filter?: string
  readonly durable?: boolean
}

/** The requests of `$JS.API.CONSUMER.…`: each takes the request's fields and answers with those of the response. */
export class ConsumerApi {
  readonly #streams: Streams
  readonly #wire: Wire
  readonly #clock: () => number
  readonly #push = new Map<string, Set<PushConsumer>>()
  #count = 0

  constructor(streams: Streams, wire: Wire, clock: () => number) {
    this.#streams = streams
    this.#wire = wire
    this.#clock = clock
  }

  get count(): number {
    return this.#count
  }

  /** Push consumers that send to that subject. */
  sendingTo(subject: string): Iterable<PushConsumer> {
    return this.#push.get(subject) ?? []
  }

  *pushing(): Iterable<PushConsumer> {
    for (const consumers of this.#push.values()) yield* consumers
  }

  /** `start` is to be called once the answer has been sent: messages come after it. */
  create(subject: ConsumerSubject, fields: Fields): { readonly answer: object; readonly start: () => void } {
    if ((text(fields, 'stream_name') ?? subject.stream) !== subject.stream) throw apiErrors.streamMismatch()
    const hosted = this.#streams.get(subject.stream)
    const config = this.#readConfig(subject, asFields(fields.config), hosted)
    const action = text(fields, 'action') ?? ''
    const there = config.name === undefined ? undefined : hosted.consumers.get(config.name)
    if (there) return { answer: updated(there, config, action).info(), start: () => {} }
    if (action === 'update') throw apiErrors.consumerDoesNotExist()
    const { max_consumers } = hosted.stream.config
    if (this.#count >= MAX_CONSUMERS || (max_consumers > 0 && hosted.consumers.size >= max_consumers))
      throw apiErrors.tooManyConsumers()
    const consumer = this.#add(hosted, config)
    return { answer: consumer.info(), start: () => consumer instanceof PushConsumer && consumer.interestChanged() }
  }

  info(stream: string, name: string): object {
    return this.#get(stream, name).info()
  }

  /** Throws ApiError. */
  unpin(stream: string, name: string, fields: Fields): object {
    const consumer = this.#get(stream, name)
    const group = text(fields, 'group')
    if (!(consumer instanceof PullConsumer) || !group || !consumer.config.priority_groups?.includes(group))
      throw apiErrors.invalidPriorityGroup()
    consumer.unpin()
    return {}
  }

  delete(stream: string, name: string): object {
    this.#remove(this.#streams.get(stream), this.#get(stream, name))
    return { success: true }
  }

  names(stream: string, fields: Fields): object {
    const { items, ...paging } = page(sorted(this.#streams.get(stream)), fields, NAMES_PAGE)
    return { ...paging, consumers: items.map(({ name }) => name) }
  }

  list(stream: string, fields: Fields): object {
    const { items, ...paging } = page(sorted(this.#streams.get(stream)), fields, LIST_PAGE)
    return { ...paging, consumers: items.map((consumer) => consumer.info()) }
  }

  find(stream: string, name: string): Consumer | undefined {
    return this.#streams.find(stream)?.consumers.get(name)
  }

  /** A stream is going, with its consumers. */
  forget({ consumers }: HostedStream): void {
    for (const consumer of consumers.values()) this.#uncount(consumer)
  }

  #readConfig(subject: ConsumerSubject, fields: Fields, { stream }: HostedStream): ConsumerConfig {
    const { name, filter, durable } = subject
    const durableName = text(fields, 'durable_name')
    if (name === undefined && durableName !== undefined) throw apiErrors.durableInEphemeralRequest()
    if (name !== undefined && durableName !== undefined && durableName !== name) throw apiErrors.durableNameMismatch()
    if (filter !== undefined && text(fields, 'filter_subject') !== filter) throw apiErrors.filterMismatch()
    const named = name === undefined ? fields : { ...fields, name, ...(durable && { durable_name: name }) }
    return readConsumerConfig(named, stream.config.subjects)
  }

  #get(stream: string, name: string): Consumer {
    const consumer = this.#streams.get(stream).consumers.get(name)
    if (!consumer) throw apiErrors.consumerNotFound()
    return consumer
  }

  #add(hosted: HostedStream, config: ConsumerConfig): Consumer {
    const { stream, consumers } = hosted
    const name = config.name ?? crypto.randomUUID().replaceAll('-', '').slice(0, 12)
    const around = { wire: this.#wire, clock: this.#clock, expired: () => this.#remove(hosted, consumer) }
    const consumer: Consumer =
      config.deliver_subject === undefined
        ? new PullConsumer(name, config, stream, around)
        : new PushConsumer(name, config, stream, around)
    consumers.set(name, consumer)
    this.#count++
    if (consumer instanceof PushConsumer) {
      const there = this.#push.get(consumer.deliverSubject)
      if (there) there.add(consumer)
      else this.#push.set(consumer.deliverSubject, new Set([consumer]))
    }
    return consumer
  }

  #remove({ consumers }: HostedStream, consumer: Consumer): void {
    if (consumers.get(consumer.name) !== consumer) return
    consumers.delete(consumer.name)
    this.#uncount(consumer)
    consumer.close()
  }

  #uncount(consumer: Consumer): void {
    this.#count--
    if (!(consumer instanceof PushConsumer)) return
    const there = this.#push.get(consumer.deliverSubject)
    there?.delete(consumer)
    if (there?.size === 0) this.#push.delete(consumer.deliverSubject)
  }
}

/** The consumer that is there, if the request means the same one. Throws ApiError. */
function updated(there: Consumer, config: ConsumerConfig, action: string): Consumer {
  if (sameConfig(there.config, config)) return there
  if (action === 'create') throw apiErrors.consumerExists()
  if (there instanceof PushConsumer && there.isBound) throw apiErrors.consumerNameInUse()
  if (!sameConfig({ ...there.config, ...CHANGEABLE }, { ...config, ...CHANGEABLE }))
    throw apiErrors.consumerCreate(
      'a consumer of that name is there with another configuration; the embedded broker updates only its description',
    )
  there.describe(config)
  return there
}

function sorted({ consumers }: HostedStream): Consumer[] {
  return [...consumers.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}
