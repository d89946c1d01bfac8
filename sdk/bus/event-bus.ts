import type { BusStatus, RequestOptions, StreamPublishOptions, SubscribeOptions } from '../contract/bus.ts'
import { type ContractEvent, type Events, readEvent, unknownEvent } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import {
  readHandlerArgs,
  type UntypedBus,
  type UntypedLatestOptions,
  type UntypedSubscribeOptions,
  type WithParamValues,
  withParams,
} from '../contract/untyped-bus.ts'
import { validate } from '../contract/validate.ts'
import { ASYNC_DISPOSE } from '../kit/dispose.ts'
import { guard, report } from '../kit/guard.ts'
import { createIds } from '../kit/ids.ts'
import { isThenable } from '../kit/kinds.ts'
import { lazy, preload } from '../kit/lazy.ts'
import type { OutboxOptions } from '../outbox/outbox.ts'
import type { ConnectionStatus, Transport } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'
import { ID_HEADER, TIME_HEADER } from '../wire/header-names.ts'
import { createEventStream, type StreamSink } from './event-stream.ts'
import { createLatest } from './latest.ts'
import type { Faults } from './receiver.ts'
import type { Send } from './request-reply.ts'
import { createSubscriber, sources } from './subscriber.ts'

// Not part of the first load: many pages only publish and subscribe.
const requests = lazy(() => import('./request-reply.ts'))
const presences = lazy(() => import('../presence/presence.ts'))

type SendOptions = StreamPublishOptions & RequestOptions

export interface EventBusOptions extends Partial<Faults>, Pick<SubscribeOptions, 'onGap'> {
  readonly outbox?: 'persistent' | OutboxOptions | undefined
}

/** The bus without the types of its contract. */
export function createBus(
  contract: Events,
  transport: Transport,
  { onInvalid, onError, onGap, outbox }: EventBusOptions,
): UntypedBus {
  const publishing = lazy(async () => (await import('./stream-publisher.ts')).createPublisher(transport, outbox))
  const events = new Map(Object.entries(contract).map(([name, entry]) => [name, readEvent(name, entry)]))
  if (outbox) preload(publishing)
  for (const { stream } of events.values()) if (stream) preload(sources, publishing)

  const safe =
    <E>(
      call: (error: E, event: ReceivedEvent) => void = (error, { subject }) =>
        console.error('spanwire:', subject, error),
    ) =>
    (error: E, event: ReceivedEvent) =>
      guard(call, report, [error, event])
  const faults: Faults = { onInvalid: safe(onInvalid), onError: safe(onError) }
  const subscriber = createSubscriber(transport, faults, onGap)
  const send = createSend()
  const parts = { transport, faults, send }

  /** Operations that are not settled. */
  const publishes = new Set<Promise<unknown>>()
  const exchanges = new Set<Promise<unknown>>()

  function find(name: string): ContractEvent {
    const event = events.get(name)
    if (!event) throw unknownEvent(name)
    return event
  }

  const findAll = (names: string | readonly string[]) => [names].flat().map(find)

  /** Reads the arguments `name, params?, data, options?`. */
  function prepare(name: string, args: WithParamValues<[unknown, SendOptions?]>) {
    const event = find(name)
    const [params = {}, data, options = {}] = withParams<[unknown, SendOptions?]>(name, args)
    return { ...event, subject: event.template.subject(params), data, options }
  }

  const close = () => transport.close()
  const exchange = <T>(use: (module: typeof import('./request-reply.ts')) => T | Promise<T>) =>
    track(exchanges, requests(use))

  return {
    status: createStatus(transport),

    async publish(name, ...args) {
      const outgoing = prepare(name, args)
      return track(
        publishes,
        send<unknown>(outgoing, (payload, headers) =>
          outbox || outgoing.stream
            ? publishing((publish) => publish({ ...outgoing, payload, headers }))
            : transport.publish(outgoing.subject, payload, { headers, signal: outgoing.options.signal }),
        ),
      )
    },

    async request(name, ...args) {
      const outgoing = prepare(name, args)
      return exchange((module) => module.request(parts, outgoing))
    },

    subscribe(name, ...args) {
      const events = findAll(name)
      const [params = {}, options = {}] = withParams<[UntypedSubscribeOptions?]>(name, args)
      return createEventStream(
        (sink: StreamSink<ReceivedEvent>) => subscriber.attach(events, params, { ...options, signal: undefined }, sink),
        options.buffer,
        options.signal,
      )
    },

    on(name, ...args) {
      const [params, handler, options = {}] = readHandlerArgs(args)
      return subscriber.attach(findAll(name), params, options, {
        push: (received, { done }) =>
          guard((received.removed ? options.onRemoved : handler) as typeof handler, faults.onError, [received], done),
      })
    },

    latest(name, ...args) {
      const event = find(name)
      if (!event.stream) throw new SpanwireError('unsupported', `${name} has no stream.`)
      return createLatest(subscriber, faults, event, withParams<[UntypedLatestOptions?]>(name, args))
    },

    respond(name, ...args) {
      const [params, handler, options = {}] = readHandlerArgs(args)
      // A stream keeps no requests that are still waiting for an answer.
      const event = { ...find(name), stream: undefined }
      return subscriber.attach([event], params, options, {
        push: (received) => void exchange((module) => module.answer(parts, event, handler, received)),
        invalid: (received) => void exchange((module) => module.refuse(parts, received)),
        needs: requests,
      })
    },

    presence: (channel, options) => presences((module) => module.openPresence(transport, channel, options)),

    async flush() {
      // Some of them may not have been handed to the transport yet.
      await Promise.allSettled(publishes)
      await transport.flush()
    },

    async drain() {
      await subscriber.drain()
      // Acknowledgements and answers arrive by subscriptions, which the transport ends first.
      await Promise.allSettled([...publishes, ...exchanges])
      await transport.drain()
    },

    close,
    [ASYNC_DISPOSE]: close,
  }
}

/** Adds a promise to a set until it is settled. */
function track<T>(underway: Set<Promise<unknown>>, work: Promise<T>): Promise<T> {
  underway.add(work)
  work.catch(() => {}).then(() => underway.delete(work))
  return work
}

/** Headers that a server acts on, and Spanwire's own. Copied from a received event, they would repeat its commands. */
const RESERVED = /^(nats|spanwire)-/i

/** Returns a function that validates and encodes. The order of calls is kept if the schema is synchronous. */
export function createSend(): Send {
  const newId = createIds()
  return ({ schema, codec, subject, data, options: { id = newId(), headers = [], reservedHeaders } }, go) => {
    const [reserved] = headers.find(([name]) => RESERVED.test(name)) ?? []
    if (reserved && !reservedHeaders)
      throw new SpanwireError('invalid-header', `${reserved} is a command to the server: set reservedHeaders.`)
    const valid = validate(schema, data, subject)
    const proceed = () => {
      let payload: Uint8Array
      try {
        payload = codec.encode(data)
      } catch (cause) {
        throw new SpanwireError('invalid-data', `The data of ${subject} can't be encoded.`, { cause })
      }
      return go(payload, [[ID_HEADER, id], [TIME_HEADER, `${Date.now()}`], ...headers])
    }
    return isThenable(valid) ? Promise.resolve(valid).then(proceed) : proceed()
  }
}

function createStatus(transport: Transport): BusStatus {
  return {
    get current() {
      return transport.status
    },
    subscribe: (listener) => transport.onStatus(listener),
    [Symbol.asyncIterator]: () =>
      createEventStream(({ push, end }: StreamSink<ConnectionStatus>) => {
        const follow = (status: ConnectionStatus) => {
          push(status)
          if (status.state === 'closed') end()
        }
        follow(transport.status)
        return { unsubscribe: transport.onStatus(follow) }
      }),
  }
}
