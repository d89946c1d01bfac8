/**
 * Uses the SDK on the current runtime: `<runtime> sdk-smoke.ts <{ url, token?, by? } as JSON>`. Prints `ok` with its
 * results, or fails. `by: 'http'` publishes and requests by fetch and subscribes over a socket.
 */
import { z } from 'zod'
import { connect, defineEvents, event, isSpanwireError } from '../../sdk/server.ts'
import { http } from '../../sdk/transport/http/index.ts'

const events = defineEvents({
  'smoke.{run}.created': z.object({ total: z.number() }),
  'smoke.{run}.double': event(z.object({ n: z.number() }), { reply: z.object({ n: z.number() }) }),
  'smoke.{run}.nobody': event(z.object({}), { reply: z.object({}) }),
})

const { url, token, by } = JSON.parse(process.argv[2] ?? '') as { url: string; token?: string; by?: 'http' }
const credentials = token === undefined ? {} : { token }
const run = crypto.randomUUID()
const bus = connect({ url, events, ...credentials })
const writer = by === 'http' ? connect({ transport: http({ url, ...credentials }), events }) : bus

const subscription = bus.subscribe('smoke.{run}.created', { run })
const responder = bus.respond('smoke.{run}.double', { run }, ({ data }) => ({ n: 2 * data.n }))
await Promise.all([subscription.ready, responder.ready])

for (const total of [1, 2, 3]) await writer.publish('smoke.{run}.created', { run }, { total })
const totals: number[] = []
for await (const { data, params, id, time } of subscription) {
  if (params.run !== run || !id || Math.abs(Date.now() - time.valueOf()) > 60_000) throw new Error('Unexpected event.')
  totals.push(data.total)
  if (totals.length === 3) break
}
const answer = await writer.request('smoke.{run}.double', { run }, { n: 21 })
const refusal = await writer.request('smoke.{run}.nobody', { run }, {}).catch((error: unknown) => error)
const invalid = await writer
  .publish('smoke.{run}.created', { run }, { total: 'many' } as never)
  .catch((error: unknown) => error)

const seen = {
  totals,
  answer: answer.n,
  nobody: isSpanwireError(refusal, 'no-responders'),
  invalid: isSpanwireError(invalid, 'invalid-data'),
  status: bus.status.current.state,
}
if (writer !== bus) await writer.close()
await bus.drain()
console.log(`ok ${JSON.stringify({ ...seen, end: bus.status.current.state })}`)
