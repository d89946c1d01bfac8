/** One event to publish or to request: by a contract, or by its subject alone. */

import { connect } from '../../../sdk/connect.ts'
import type { StreamAck } from '../../../sdk/contract/bus.ts'
import { raw } from '../../../sdk/contract/codec.ts'
import type { ContractEvent, Events } from '../../../sdk/contract/contract.ts'
import { bytes } from '../../../sdk/contract/event.ts'
import { hasParams, type ParamValues, untyped, type WithParamValues } from '../../../sdk/contract/untyped-bus.ts'
import type { Transport } from '../../../sdk/transport/transport.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { decodeInput } from './payload-input.ts'
import { eventOf } from './subject-choice.ts'

/** An event with its data, ready to be sent. */
export interface NamedEvent {
  publish(options: object): Promise<StreamAck | undefined>
  /** Resolves with the answer as bytes. */
  request(options: object): Promise<Uint8Array>
}

export interface NamedEventOptions {
  readonly subject: string
  readonly payload: Uint8Array
  readonly contract: Events | undefined
  /** Whether a stream must acknowledge an event that no contract describes. */
  readonly isStored: boolean
}

/** @throws SpanwireError `unknown-event`, `invalid-data` */
export function nameEvent(transport: Transport, options: NamedEventOptions): NamedEvent {
  const { subject, payload, contract, isStored } = options
  if (!contract)
    return viaBus(transport, { [subject]: bytes(isStored ? { stream: 'any' } : {}) }, { name: subject, data: payload })
  const event = eventOf(contract, subject)
  if (!event) throw new SpanwireError('unknown-event', unknown(contract, subject))
  const data = decodeInput(payload, event.codec, event.name)
  const params = hasParams(event.name) ? event.template.params(subject) : undefined
  return viaBus(transport, contract, { name: event.name, params, data, event })
}

interface Sending {
  readonly name: string
  readonly params?: ParamValues | undefined
  readonly data: unknown
  /** Undefined without a contract: data is then bytes. */
  readonly event?: ContractEvent
}

function viaBus(transport: Transport, events: Events, { name, params, data, event }: Sending): NamedEvent {
  const bus = untyped(connect({ transport, events }))
  const codec = event?.codec ?? raw
  const args = (options: object): WithParamValues<[data: unknown, options: object]> =>
    params ? [params, data, options] : [data, options]
  return {
    publish: async (options) => (await bus.publish(name, ...args(options))) as StreamAck | undefined,
    request: async (options) => codec.encode(await bus.request(name, ...args(options))),
  }
}

function unknown(contract: Events, subject: string): string {
  return `No event of the contract has the subject ${subject}. It has ${Object.keys(contract).join(', ')}.`
}
