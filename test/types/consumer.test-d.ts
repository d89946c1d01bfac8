/** Misuse of a queue of work doesn't compile: `tsc` checks this file, nothing runs it. */
import * as z from 'zod'
import { consume } from '../../sdk/consumer/index.ts'
import { defineEvents, event, type Transport } from '../../sdk/index.ts'
import { tracedHandler } from '../../sdk/opentelemetry/index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_ extends true>(): void {}

const events = defineEvents({
  'jobs.{kind}.{id}': event(z.object({ due: z.string().transform(Number) }), { stream: 'JOBS' }),
  'system.tick': z.object({}),
})
declare const transport: Transport

consume(
  { events, connection: transport },
  'jobs.{kind}.{id}',
  (e, { attempt }) => {
    holds<Equal<typeof e.data, { due: number }>>()
    holds<Equal<typeof e.params.kind, string>>()
    holds<Equal<typeof attempt, number>>()
  },
  { consumer: 'w', params: { kind: 'mail' }, onError: (_, e) => e.data.due.toFixed() },
)

consume({ events, connection: transport }, 'jobs.{kind}.{id}', () => {}, {
  consumer: 'w',
  ordered: 'kind',
  concurrency: 8,
})
consume({ events, connection: transport }, 'jobs.{kind}.{id}', () => {}, { consumer: 'w', ordered: ['kind', 'id'] })
// @ts-expect-error no such param
consume({ events, connection: transport }, 'jobs.{kind}.{id}', () => {}, { consumer: 'w', ordered: 'sort' })

// A wrapped handler is typed by where it goes.
consume(
  { events, connection: transport },
  'jobs.{kind}.{id}',
  tracedHandler((e, { attempt }) => {
    holds<Equal<typeof e.data, { due: number }>>()
    holds<Equal<typeof attempt, number>>()
  }),
  { consumer: 'w' },
)

// @ts-expect-error no stream keeps it
consume({ events, connection: transport }, 'system.tick', () => {}, { consumer: 'w' })
// @ts-expect-error a queue has a name
consume({ events, connection: transport }, 'jobs.{kind}.{id}', () => {}, {})
// @ts-expect-error no such param
consume({ events, connection: transport }, 'jobs.{kind}.{id}', () => {}, { consumer: 'w', params: { sort: 'mail' } })
