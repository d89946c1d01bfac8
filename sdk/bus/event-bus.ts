import { type ContractEvent, type Events, readEvent } from '../contract/contract.ts'
import { validate } from '../contract/validate.ts'
import { SpanwireError } from '../errors.ts'
import { ID_HEADER, TIME_HEADER } from '../protocol/header-names.ts'
import { checkSubject, onAbort } from '../transport/checks.ts'
import type { SubscriptionHandler, Transport } from '../transport/transport.ts'
import type { Handle, OnOptions, PublishOptions, RequestOptions, SubscribeOptions } from './bus.ts'
import { EventHeaders } from './event-headers.ts'
import { createIds } from './event-id.ts'
import { EventStream } from './event-stream.ts'
import type { ReceivedEvent } from './received-event.ts'
import { type Faults, guard, Receiver } from './receiver.ts'
import { readServiceError, serviceError } from './service-error.ts'
import { type BusStatus, createStatus } from './status.ts'

type Values = Readonly<Record<string, string>>
type Handler = (event: ReceivedEvent) => unknown

/** {@link Bus} without its types: what `connect` returns behind them. */
export class EventBus {
  readonly status: BusStatus
  readonly #contract: Events
  /** Those that were used. */
  readonly #events = new Map<string, ContractEvent>()
  readonly #transport: Transport
  readonly #faults: Faults
  readonly #newId = createIds()
  readonly #drains = new Set<() => Promise<void>>()

  constructor(contract: Events, transport: Transport, { onInvalid, onError }: Partial<Faults>) {
    this.#contract = contract
    this.#transport = transport
    const report = (text: string) => (error: unknown, event: ReceivedEvent) =>
      console.error(`spanwire: ${text} ${event.subject}`, error)
    // Whatever these throw is the last of it.
    const safe =
      <E>(call: (error: E, event: ReceivedEvent) => void) =>
      (error: E, event: ReceivedEvent) =>
        guard(call, (cause) => console.error('spanwire: onError or onInvalid threw', cause), error, event)
    this.#faults = {
      onInvalid: safe(onInvalid ?? report('an invalid event on')),
      onError: safe(onError ?? report('a handler failed on')),
    }
    this.status = createStatus(transport)
  }

  async publish(name: string, ...args: unknown[]): Promise<void> {
    const event = this.#find(name)
    const { subject, data, options } = readArgs<PublishOptions>(event, args)
    await this.#send(event.schema, event, subject, data, options, (payload, headers) =>
      this.#transport.publish(subject, payload, { headers, ...(options.signal && { signal: options.signal }) }),
    )
  }

  async request(name: string, ...args: unknown[]): Promise<unknown> {
    const event = this.#find(name)
    const { subject, data, options } = readArgs<RequestOptions>(event, args)
    const { timeout = 5_000, signal } = options
    const answer = await this.#send(event.schema, event, subject, data, options, (payload, headers) =>
      this.#transport.request(subject, payload, { headers, timeout, ...(signal && { signal }) }),
    )
    const failure = readServiceError(new EventHeaders(answer.headerBlock), subject)
    if (failure) throw failure
    let reply: unknown
    try {
      reply = event.codec.decode(answer.payload)
    } catch (cause) {
      throw new SpanwireError('invalid-data', `The answer from ${subject} can't be read.`, { cause })
    }
    return validate(event.reply, reply, subject, (valid) => valid)
  }

  subscribe(name: string, ...args: unknown[]): EventStream<ReceivedEvent> {
    const event = this.#find(name)
    const filter = event.template.filter((event.template.hasParams && (args.shift() as Values)) || {})
    const options = (args[0] ?? {}) as SubscribeOptions
    return new EventStream(
      (stream) => {
        const receiver = new Receiver(event, (received) => stream.push(received), this.#faults.onInvalid)
        return this.#attach(filter, receiver, options, (error) => stream.end(error))
      },
      options.buffer,
      options.signal,
    )
  }

  on(name: string, ...args: unknown[]): Handle {
    return this.#handle(name, args, (_, handler) => (received) => {
      guard(handler, (error) => this.#faults.onError(error, received), received)
    })
  }

  respond(name: string, ...args: unknown[]): Handle {
    return this.#handle(
      name,
      args,
      (event, handler) => (received) => {
        if (received.reply === undefined) return
        this.#respond(event, handler, received).catch((error) => this.#faults.onError(error, received))
      },
      (received) => {
        if (received.reply !== undefined) this.#refuse(received, 400, 'The request is invalid.')
      },
    )
  }

  flush(): Promise<void> {
    return this.#transport.flush()
  }

  async drain(): Promise<void> {
    await Promise.all([...this.#drains].map((drain) => drain()))
    await this.#transport.drain()
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #find(name: string): ContractEvent {
    let event = this.#events.get(name)
    if (!event) {
      const entry = Object.hasOwn(this.#contract, name) && this.#contract[name]
      if (!entry) throw new SpanwireError('unknown-event', `The contract has no event ${JSON.stringify(name)}.`)
      event = readEvent(name, entry)
      this.#events.set(name, event)
    }
    return event
  }

  /** Validates and encodes; then `send`. Without a wait in between if the schema is synchronous, so order is kept. */
  #send<T>(
    schema: ContractEvent['schema'] | undefined,
    event: ContractEvent,
    subject: string,
    data: unknown,
    { id = this.#newId(), headers = [] }: PublishOptions,
    send: (payload: Uint8Array, headers: Array<readonly [string, string]>) => Promise<T>,
  ): Promise<T> {
    const deliver = () => {
      let payload: Uint8Array
      try {
        payload = event.codec.encode(data)
      } catch (cause) {
        throw new SpanwireError('invalid-data', `The data of ${subject} can't be encoded.`, { cause })
      }
      return send(payload, [[ID_HEADER, id], [TIME_HEADER, String(Date.now())], ...headers])
    }
    return validate(schema, data, subject, deliver) as Promise<T>
  }

  #attach(filter: string, receiver: Receiver, { queue }: OnOptions, ended: (error?: Error) => void) {
    const handler: SubscriptionHandler = {
      message: (message) => receiver.receive(message),
      ended: (error) => {
        this.#drains.delete(drain)
        ended(error)
      },
    }
    const source = this.#transport.subscribe(filter, handler, queue === undefined ? {} : { queue })
    const drain = async () => {
      await source.drain()
      await receiver.settled()
      this.#drains.delete(drain)
      ended()
    }
    this.#drains.add(drain)
    const unsubscribe = () => {
      this.#drains.delete(drain)
      source.unsubscribe()
    }
    return { ready: source.ready, unsubscribe, drain }
  }

  #handle(
    name: string,
    args: unknown[],
    wrap: (event: ContractEvent, handler: Handler) => (received: ReceivedEvent) => void,
    invalid?: (received: ReceivedEvent) => void,
  ): Handle {
    const event = this.#find(name)
    const params = typeof args[0] === 'function' ? {} : (args.shift() as Values)
    const [handler, options = {}] = args as [Handler, OnOptions?]
    let live = true
    let ended = () => {}
    const deliver = wrap(event, handler)
    const receiver = new Receiver(
      event,
      (received) => live && deliver(received),
      (error, received) => {
        if (!live) return
        this.#faults.onInvalid(error, received)
        invalid?.(received)
      },
    )
    const source = this.#attach(event.template.filter(params), receiver, options, () => ended())
    const unsubscribe = () => {
      live = false
      ended()
      source.unsubscribe()
    }
    ended = onAbort(options.signal, unsubscribe)
    return { ready: source.ready, drain: source.drain, unsubscribe, [Symbol.dispose]: unsubscribe }
  }

  async #respond(event: ContractEvent, handler: Handler, received: ReceivedEvent): Promise<void> {
    try {
      const data = await handler(received)
      const reply = received.reply as string
      checkSubject(reply)
      await this.#send(event.reply, event, reply, data, {}, (payload, headers) =>
        this.#transport.publish(reply, payload, { headers }),
      )
    } catch (error) {
      // What went wrong inside may be nobody else's business.
      const spoken = error instanceof SpanwireError && error.code === 'responder-failed'
      this.#refuse(received, 500, spoken ? error.message : 'The responder failed.')
      if (!spoken) throw error
    }
  }

  #refuse(received: ReceivedEvent, code: number, message: string): void {
    this.#transport
      .publish(received.reply as string, new Uint8Array(), { headers: serviceError(code, message) })
      .catch((error) => this.#faults.onError(error, received))
  }
}

function readArgs<Options>(
  event: ContractEvent,
  args: unknown[],
): { subject: string; data: unknown; options: Options } {
  const subject = event.template.subject((event.template.hasParams && (args.shift() as Values)) || {})
  return { subject, data: args[0], options: (args[1] ?? {}) as Options }
}
