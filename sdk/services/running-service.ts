import { createSend } from '../bus/event-bus.ts'
import { type BusParts, FAILED, INVALID, refuse, respond } from '../bus/request-reply.ts'
import { createSubscriber } from '../bus/subscriber.ts'
import { type ContractEvent, type Events, findEvent } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import { guard, report } from '../kit/guard.ts'
import { createIds } from '../kit/ids.ts'
import { PendingWork } from '../kit/pending-work.ts'
import type { Transport, TransportSubscription } from '../transport/transport.ts'
import { encode } from '../wire/bytes.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import type { ServiceInfo, ServicePing, ServiceStats } from './descriptions.ts'
import { describeEndpoint, Endpoint } from './endpoint.ts'
import type { Service, ServiceOptions } from './index.ts'

const NAME = /^[\w-]+$/
/** Source: https://semver.org, without its bounds for numbers. */
const VERSION = /^\d+\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?$/
const DEFAULT_QUEUE = 'q'

/** The parts of a service that its connection gives. */
interface Source {
  readonly events: Events
  readonly transport: Transport
}

/** Answers the requests of its endpoints, and the queries of tools. */
export class RunningService implements Service {
  readonly id: string = createIds()()
  readonly ready: Promise<void>
  readonly #transport: Transport
  readonly #options: ServiceOptions
  readonly #endpoints: readonly Endpoint[]
  readonly #parts: BusParts
  readonly #subscriptions: ReadonlyArray<{ readonly ready: Promise<void>; drain(): Promise<void> }>
  /** Requests that are not answered. */
  readonly #underway = new PendingWork()
  #started = new Date()
  #draining: Promise<void> | undefined

  constructor(
    { events, transport }: Source,
    responders: ReadonlyArray<[string, (event: ReceivedEvent) => unknown]>,
    options: ServiceOptions,
  ) {
    checkOptions(options)
    this.#transport = transport
    this.#options = options
    const { queue = DEFAULT_QUEUE, onError = report, toJsonSchema } = options
    this.#endpoints = responders.map(([name, handler]) => {
      const event = withoutStream(findEvent(events, name))
      return new Endpoint(event, handler, describeEndpoint(event, queue, toJsonSchema))
    })
    const faults = {
      onInvalid: () => {},
      onError: (error: unknown, event: ReceivedEvent) => guard(onError, report, [error, event]),
    }
    this.#parts = { transport, faults, send: createSend() }
    const subscriber = createSubscriber(transport, faults, undefined)
    this.#subscriptions = [
      ...this.#endpoints.map((endpoint) =>
        subscriber.attach(
          [endpoint.event],
          {},
          { queue, onEnd: (error) => this.#ended(error) },
          {
            push: (received) => this.#underway.add(this.#answer(endpoint, received)),
            invalid: (received) => {
              endpoint.count(0)
              endpoint.fail(400, INVALID)
              refuse(this.#parts, received)
            },
          },
        ),
      ),
      ...this.#describe('PING', () => this.#ping()),
      ...this.#describe('INFO', () => this.#info()),
      ...this.#describe('STATS', () => this.stats()),
    ]
    this.ready = Promise.all(this.#subscriptions.map(({ ready }) => ready)).then(() => {})
    this.ready.catch(() => {})
  }

  stats(): ServiceStats {
    return {
      ...this.#identity(),
      type: 'io.nats.micro.v1.stats_response',
      started: this.#started.toISOString(),
      endpoints: this.#endpoints.map((endpoint) => endpoint.stats()),
    }
  }

  reset(): void {
    this.#started = new Date()
    for (const endpoint of this.#endpoints) endpoint.reset()
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }

  async #drain(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.drain()))
    await this.#underway.settled()
  }

  async #answer(endpoint: Endpoint, received: ReceivedEvent): Promise<void> {
    const begun = performance.now()
    let hasFailed = false
    const fail = (text: string) => {
      if (!hasFailed) endpoint.fail(500, text)
      hasFailed = true
    }
    const handler = async (event: ReceivedEvent) => {
      try {
        return await endpoint.handler(event as never)
      } catch (error) {
        // The text of other errors stays in this process.
        fail(isSpanwireError(error, 'responder-failed') ? error.message : FAILED)
        throw error
      } finally {
        // Before the answer, so that a requester with an answer finds its request in the statistics.
        endpoint.count(performance.now() - begun)
      }
    }
    try {
      await respond(this.#parts, endpoint.event, handler, received)
    } catch (error) {
      fail(FAILED)
      this.#parts.faults.onError(error, received)
    }
  }

  /** Answers one kind of query: of all services, of this name, of this process. */
  #describe(verb: string, describe: () => object): TransportSubscription[] {
    const { name } = this.#options
    return [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${this.id}`].map((subject) =>
      this.#transport.subscribe(subject, {
        message: ({ reply }) => {
          if (reply !== undefined)
            this.#transport.publish(reply, encode(JSON.stringify(describe()))).catch((error) => this.#warn(error))
        },
        ended: (error) => this.#ended(error),
      }),
    )
  }

  #ping(): ServicePing {
    return { ...this.#identity(), type: 'io.nats.micro.v1.ping_response' }
  }

  #info(): ServiceInfo {
    return {
      ...this.#identity(),
      type: 'io.nats.micro.v1.info_response',
      description: this.#options.description ?? '',
      endpoints: this.#endpoints.map(({ info }) => info),
    }
  }

  #identity() {
    const { name, version, metadata = {} } = this.#options
    return { name, id: this.id, version, metadata }
  }

  /** A part of the service without the others would take requests that it cannot answer, or be invisible. */
  #ended(error: Error): void {
    if (this.#draining) return
    void this.drain().catch(() => {})
    const { onEnd = report } = this.#options
    guard(onEnd, report, [error])
  }

  #warn(error: unknown): void {
    if (!isSpanwireError(error, 'connection-closed')) report(error)
  }
}

/** A stream has no requests that wait for an answer. */
function withoutStream(event: ContractEvent): ContractEvent {
  if (event.stream)
    throw new SpanwireError(
      'invalid-argument',
      `The stream would answer ${event.name} first: declare the event { stream: false }.`,
    )
  return event
}

function checkOptions({ name, version }: ServiceOptions): void {
  if (!NAME.test(name))
    throw new SpanwireError('invalid-argument', `The service name ${name} may have only letters, digits, - and _.`)
  if (!VERSION.test(version))
    throw new SpanwireError('invalid-argument', `The version ${version} is not valid: write it as in 1.0.0.`)
}
