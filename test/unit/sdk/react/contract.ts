import { type Bus, connect, defineEvents, event, type StandardSchema, type Transport } from '../../../../sdk/index.ts'
import { createHooks } from '../../../../sdk/react/index.ts'

const schema = <Data>(): StandardSchema<Data> => ({
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as Data }) },
})

const events = defineEvents({
  'ticks.{id}': schema<{ n: number }>(),
  pulse: schema<{ n: number }>(),
  's.{id}': event(schema<{ id: number }>(), { stream: 'S' }),
  't.{id}': event(schema<{ id: number }>(), { stream: 'S' }),
})

export type TestBus = Bus<typeof events>

export const { BusProvider, useBus, useEvent, useEvents, useLatest, usePresence, usePublish, useStatus } =
  createHooks<typeof events>()

/** Returns a bus on a transport. */
export function connectTo(transport: Transport): TestBus {
  return connect({ transport, events })
}

/** Returns a message of `ticks.<id>`. */
export function tick(n: number, id = 'a'): { readonly subject: string; readonly payload: Uint8Array } {
  return { subject: `ticks.${id}`, payload: new TextEncoder().encode(JSON.stringify({ n })) }
}
