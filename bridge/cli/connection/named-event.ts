/** One event to publish or to request: by a contract, or by its subject alone. */

import { connect } from '../../../sdk/connect.ts'
import type { Bus, StreamAck } from '../../../sdk/contract/bus.ts'
import type { ContractEvent, Events } from '../../../sdk/contract/contract.ts'
import { bytes } from '../../../sdk/contract/event.ts'
import { hasParams } from '../../../sdk/contract/untyped-bus.ts'
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

/** Calls of a bus by names that only exist at run time. */
type Call = (name: string, ...args: unknown[]) => Promise<unknown>

/** @throws SpanwireError `unknown-event`, `invalid-data` */
export function nameEvent(transport: Transport, options: NamedEventOptions): NamedEvent {
  const { subject, payload, contract, isStored } = options
  if (!contract) return viaBus(transport, { [subject]: bytes(isStored ? { stream: 'any' } : {}) }, [subject, payload])
  const event = eventOf(contract, subject)
  if (!event) throw new SpanwireError('unknown-event', unknown(contract, subject))
  const data = decodeInput(payload, event.codec, event.name)
  const params = hasParams(event.name) ? [event.template.params(subject)] : []
  return viaBus(transport, contract, [event.name, ...params, data], event)
}

function viaBus(
  transport: Transport,
  events: Events,
  [name, ...args]: readonly [name: string, ...args: unknown[]],
  event?: ContractEvent,
): NamedEvent {
  const bus: Bus<Events> = connect({ transport, events })
  return {
    publish: async (options) =>
      (await (bus.publish.bind(bus) as Call)(name, ...args, options)) as StreamAck | undefined,
    request: async (options) => {
      const answer = await (bus.request.bind(bus) as Call)(name, ...args, options)
      return event ? event.codec.encode(answer) : (answer as Uint8Array)
    },
  }
}

function unknown(contract: Events, subject: string): string {
  return `No event of the contract has the subject ${subject}. It has ${Object.keys(contract).join(', ')}.`
}
