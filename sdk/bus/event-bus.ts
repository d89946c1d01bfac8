import type { RequestOptions, SubscribeOptions } from '../contract/bus.ts'
import { type ContractEvent, type Events, readEvent, unknownEvent } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import {
  readHandlerArgs,
  type UntypedBus,
  type UntypedLatestOptions,
  type UntypedPublishOptions,
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
import { ID_HEADER, TIME_HEADER, VERSION_HEADER } from '../wire/header-names.ts'
import { createEventStream, type StreamSink } from './event-stream.ts'
import { createLatest } from './latest.ts'
import type { BusMethods } from './methods.ts'
import { type Faults, sources } from './receiver.ts'
import type { Send } from './request-reply.ts'
import { createSubscriber } from './subscriber.ts'

type SendOptions = UntypedPublishOptions & RequestOptions

export interface EventBusOptions extends Partial<Faults>, Pick<SubscribeOptions, 'onGap'> {
  readonly outbox?: 'persistent' | OutboxOptions | undefined
}

/** The bus without the types of its contract. */
export function createBus(
  contract: Events,
  transport: Transport,
  { onInvalid, onError, onGap, outbox }: EventBusOptions,
): UntypedBus {
  // Not part of the first load: many pages only publish and subscribe.
  const methods = lazy(async () =>
    (await import('./methods.ts')).createMethods({ transport, find, prepare, send, faults }, outbox),
  )
  const events = new Map<string, ContractEvent>()
  for (const [name, entry] of Object.entries(contract)) {
    const event = readEvent(name, entry)
    events.set(name, event)
    if (event.stream || outbox) preload(sources, methods)
  }

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
  /** Returns a method that calls one of a module which is loaded on its first use. */
  const onUse =
    <Args extends unknown[], Result>(
      pick: (module: BusMethods) => (...args: Args) => Result | Promise<Result>,
      underway = publishes,
    ) =>
    (...args: Args) =>
      track(
        underway,
        methods((module) => pick(module)(...args)),
      )

  const answer = onUse((module) => module.answer, exchanges)

  return {
    status: {
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
    },

    async publish(name, ...args) {
      const outgoing = prepare(name, args)
      const { at, every, ttl, signal } = outgoing.options
      return track(
        publishes,
        send<unknown>(outgoing, (payload, headers) =>
          outbox || outgoing.stream || at || every || ttl
            ? methods((module) => module.publish({ ...outgoing, payload, headers }))
            : transport.publish(outgoing.subject, payload, { headers, signal }),
        ),
      )
    },

    publishAll: onUse((module) => module.publishAll),
    forget: onUse((module) => module.forget),
    cancelSchedule: onUse((module) => module.cancelSchedule),
    presence: onUse((module) => module.presence, new Set()),
    request: onUse((module) => module.request, exchanges),

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
      return createLatest(subscriber, faults, event, withParams<[UntypedLatestOptions?]>(name, args))
    },

    respond(name, ...args) {
      const [params, handler, options = {}] = readHandlerArgs(args)
      // A stream keeps no requests that are still waiting for an answer.
      const event = { ...find(name), stream: undefined }
      return subscriber.attach([event], params, options, {
        push: (received) => void answer(event, handler, received),
        invalid: (received) => void answer(event, undefined, received),
        needs: methods,
      })
    },

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
  return ({ schema, codec, version, subject, data, options: { id = newId(), headers = [], reservedHeaders } }, go) => {
    const [reserved] = headers.find(([name]) => RESERVED.test(name)) ?? []
    if (reserved && !reservedHeaders)
      throw new SpanwireError('invalid-header', `${reserved} is reserved: set reservedHeaders.`)
    const valid = validate(schema, data, subject)
    const proceed = () => {
      let payload: Uint8Array
      try {
        payload = codec.encode(data)
      } catch (cause) {
        throw new SpanwireError('invalid-data', `The data of ${subject} can't be encoded.`, { cause })
      }
      return go(payload, [
        [ID_HEADER, id],
        [TIME_HEADER, `${Date.now()}`],
        ...(version ? [[VERSION_HEADER, `${version}`] as const] : []),
        ...headers,
      ])
    }
    return isThenable(valid) ? Promise.resolve(valid).then(proceed) : proceed()
  }
}
