/** Types of consumers. Checked by `tsc`, not run. */
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
// @ts-expect-error unknown param
consume({ events, connection: transport }, 'jobs.{kind}.{id}', () => {}, { consumer: 'w', ordered: 'sort' })

// The handler of tracedHandler is typed by its context.
consume(
  { events, connection: transport },
  'jobs.{kind}.{id}',
  tracedHandler((e, { attempt }) => {
    holds<Equal<typeof e.data, { due: number }>>()
    holds<Equal<typeof attempt, number>>()
  }),
  { consumer: 'w' },
)

// @ts-expect-error an event without a stream
consume({ events, connection: transport }, 'system.tick', () => {}, { consumer: 'w' })
// @ts-expect-error the consumer has no name
consume({ events, connection: transport }, 'jobs.{kind}.{id}', () => {}, {})
// @ts-expect-error unknown param
consume({ events, connection: transport }, 'jobs.{kind}.{id}', () => {}, { consumer: 'w', params: { sort: 'mail' } })
