import { apiErrors } from './api-error.ts'
import type { BrokerPort } from './broker-port.ts'
import { type ConsumerConfig, readConsumerConfig } from './consumer-config.ts'
import { asFields, type Fields, text } from './fields.ts'
import { PullConsumer } from './pull-consumer.ts'
import { PushConsumer } from './push-consumer.ts'
import { page } from './stream-api.ts'
import { sameConfig } from './stream-config.ts'
import type { Consumer } from './stream-consumer.ts'
import type { HostedStream, StreamRegistry } from './stream-registry.ts'

/** A consumer has timers and takes some kB of memory. */
const MAX_CONSUMERS = 10_000
const NAMES_PAGE = 1_024
const LIST_PAGE = 256
/** Fields that an update may change. All others need a new consumer. */
const CHANGEABLE = { description: undefined, metadata: undefined }

/** Names in the subject of a create request. */
export interface ConsumerSubject {
  readonly stream: string
  /** Undefined in the oldest form, which has no name. */
  readonly name: string | undefined
  readonly filter?: string
  readonly durable?: boolean
}

/** Requests of `$JS.API.CONSUMER.…`. Each maps the fields of the request to the response. Throws ApiError. */
export class ConsumerApi {
  readonly #registry: StreamRegistry
  readonly #port: BrokerPort
  readonly #clock: () => number
  readonly #push = new Map<string, Set<PushConsumer>>()
  #count = 0

  constructor(registry: StreamRegistry, port: BrokerPort, clock: () => number) {
    this.#registry = registry
    this.#port = port
    this.#clock = clock
  }

  get count(): number {
    return this.#count
  }

  /** Push consumers with that deliver subject. */
  sendingTo(subject: string): Iterable<PushConsumer> {
    return this.#push.get(subject) ?? []
  }

  *pushing(): Iterable<PushConsumer> {
    for (const consumers of this.#push.values()) yield* consumers
  }

  /** @returns the answer, and `start`, which begins delivery. It is called once the answer was sent */
  create(subject: ConsumerSubject, fields: Fields): { readonly answer: object; readonly start: () => void } {
    if ((text(fields, 'stream_name') ?? subject.stream) !== subject.stream) throw apiErrors.streamMismatch()
    const hosted = this.#registry.get(subject.stream)
    const config = this.#readConfig(subject, asFields(fields.config), hosted)
    const action = text(fields, 'action') ?? ''
    const existing = config.name === undefined ? undefined : hosted.consumers.get(config.name)
    if (existing) return { answer: updated(existing, config, action).info(), start: () => {} }
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

  unpin(stream: string, name: string, fields: Fields): object {
    const consumer = this.#get(stream, name)
    const group = text(fields, 'group')
    if (!(consumer instanceof PullConsumer) || !group || !consumer.config.priority_groups?.includes(group))
      throw apiErrors.invalidPriorityGroup()
    consumer.unpin()
    return {}
  }

  delete(stream: string, name: string): object {
    this.#remove(this.#registry.get(stream), this.#get(stream, name))
    return { success: true }
  }

  names(stream: string, fields: Fields): object {
    const { items, ...paging } = page(sorted(this.#registry.get(stream)), fields, NAMES_PAGE)
    return { ...paging, consumers: items.map(({ name }) => name) }
  }

  list(stream: string, fields: Fields): object {
    const { items, ...paging } = page(sorted(this.#registry.get(stream)), fields, LIST_PAGE)
    return { ...paging, consumers: items.map((consumer) => consumer.info()) }
  }

  find(stream: string, name: string): Consumer | undefined {
    return this.#registry.find(stream)?.consumers.get(name)
  }

  /** A stream is deleted, with its consumers. */
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
    const consumer = this.#registry.get(stream).consumers.get(name)
    if (!consumer) throw apiErrors.consumerNotFound()
    return consumer
  }

  #add(hosted: HostedStream, config: ConsumerConfig): Consumer {
    const { stream, consumers } = hosted
    const name = config.name ?? crypto.randomUUID().replaceAll('-', '').slice(0, 12)
    const services = { port: this.#port, clock: this.#clock, expired: () => this.#remove(hosted, consumer) }
    const consumer: Consumer =
      config.deliver_subject === undefined
        ? new PullConsumer(name, config, stream, services)
        : new PushConsumer(name, config, stream, services)
    consumers.set(name, consumer)
    this.#count++
    if (consumer instanceof PushConsumer) {
      const others = this.#push.get(consumer.deliverSubject)
      if (others) others.add(consumer)
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
    const all = this.#push.get(consumer.deliverSubject)
    all?.delete(consumer)
    if (all?.size === 0) this.#push.delete(consumer.deliverSubject)
  }
}

/** Applies a create request to an existing consumer. Throws ApiError. */
function updated(existing: Consumer, config: ConsumerConfig, action: string): Consumer {
  if (sameConfig(existing.config, config)) return existing
  if (action === 'create') throw apiErrors.consumerExists()
  if (existing instanceof PushConsumer && existing.isBound) throw apiErrors.consumerNameInUse()
  if (!sameConfig({ ...existing.config, ...CHANGEABLE }, { ...config, ...CHANGEABLE }))
    throw apiErrors.consumerCreate(
      'a consumer with that name has another configuration; the embedded broker updates only its description',
    )
  existing.describe(config)
  return existing
}

function sorted({ consumers }: HostedStream): Consumer[] {
  return [...consumers.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}
