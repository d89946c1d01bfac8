/** Methods of the bus that many pages do not use: loaded on first use, and for events with a stream and for an outbox. */
import type { StreamAck } from '../contract/bus.ts'
import { raw } from '../contract/codec.ts'
import type { ContractEvent } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import type { Schedule } from '../contract/schedule.ts'
import type { ForgetOptions } from '../contract/stream-methods.ts'
import {
  hasParams,
  type UntypedBus,
  type UntypedPublishOptions,
  type WithParamValues,
  withParams,
} from '../contract/untyped-bus.ts'
import { lazy } from '../kit/lazy.ts'
import type { OutboxOptions } from '../outbox/outbox.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { HeaderFields } from '../wire/header-fields.ts'
import { createDeliver } from './deliver.ts'
import { answer, type BusParts, refuse, request } from './request-reply.ts'
import { ttlHeaders } from './server-features.ts'

/** An event of the contract with the arguments of a publish. */
export interface PreparedEvent extends ContractEvent {
  readonly subject: string
  readonly data: unknown
  readonly options: UntypedPublishOptions
}

/** A prepared event as bytes. */
export interface EncodedPublish extends PreparedEvent {
  readonly payload: Uint8Array
  readonly headers: HeaderFields
}

/** The parts of a bus that its methods use. */
export interface MethodParts extends BusParts {
  /** Returns an event of the contract. */
  find(name: string): ContractEvent
  /** Reads the arguments `name, params?, data, options?`. */
  prepare(name: string, args: WithParamValues<[unknown, UntypedPublishOptions?]>): PreparedEvent
}

/** Methods of a bus, without its `publish` of events that have no stream. */
export interface BusMethods
  extends Pick<UntypedBus, 'publishAll' | 'forget' | 'cancelSchedule' | 'request' | 'presence'> {
  publish(event: EncodedPublish): Promise<StreamAck | Schedule | undefined>
  /** Answers a request. Without a handler: the data of the request is not valid. */
  answer(
    event: ContractEvent,
    handler: ((event: ReceivedEvent) => unknown) | undefined,
    received: ReceivedEvent,
  ): Promise<void>
}

const schedules = lazy(() => import('./schedules.ts'))
const batches = lazy(() => import('./batch.ts'))
const presences = lazy(() => import('../presence/presence.ts'))

/** @param outbox options of an outbox to publish through; undefined without an outbox */
export async function createMethods(
  parts: MethodParts,
  outbox: 'persistent' | OutboxOptions | undefined,
): Promise<BusMethods> {
  const { transport, find, prepare, send } = parts
  const direct = createDeliver(transport)
  const deliver = outbox ? await (await import('../outbox/outbox.ts')).openOutbox(outbox, transport, direct) : direct

  return {
    async publish(event) {
      const { name, stream, subject, payload, headers, options } = event
      const { at, every, ttl = event.ttl } = options
      if (!stream && (at ?? every ?? ttl) !== undefined)
        throw new SpanwireError('unsupported', `${name} has no stream, which ttl, at and every need: give it one.`)
      if (stream && (at ?? every) !== undefined) return schedules((module) => module.schedule(transport, event, stream))
      return deliver({ subject, payload, headers: [...headers, ...ttlHeaders(ttl)], stream, options })
    },

    publishAll: (...args) => batches((module) => module.publishAll(parts, ...args)),

    forget(name, ...args) {
      const [params, { purge = false, ttl, ...options } = {}] = withParams<[ForgetOptions?]>(name, args)
      const event = prepare(name, hasParams(name) ? [params ?? {}, undefined] : [undefined])
      const { stream, subject } = event
      if (!stream) throw new SpanwireError('unsupported', `${name} has no stream: nothing stores its last event.`)
      const marker: HeaderFields = purge
        ? [
            ['KV-Operation', 'PURGE'],
            ['Nats-Rollup', 'sub'],
          ]
        : [['KV-Operation', 'DEL']]
      // A tombstone has no data, so neither schema nor codec of the event apply.
      const tombstone = { subject, schema: undefined, codec: raw, data: new Uint8Array(), options }
      return send(tombstone, async (payload, own) => {
        const headers = [...own, ...marker, ...ttlHeaders(ttl)]
        return (await deliver({ subject, payload, headers, stream, options })) as StreamAck
      })
    },

    cancelSchedule: (name, id) => schedules((module) => module.cancelSchedule(transport, find(name), id)),

    presence: (...args) => presences((module) => module.openPresence(transport, ...args)),
    request: async (name, ...args) => request(parts, prepare(name, args)),
    answer: async (event, handler, received) =>
      handler ? answer(parts, event, handler, received) : refuse(parts, received),
  }
}
