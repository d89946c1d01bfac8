// Calls the exports of the README's code. The test reads its console.
import { connect, defineEvents, event, isSpanwireError, json } from 'spanwire'
import { signToken } from 'spanwire/auth'
import { nats } from 'spanwire/nats'
import { ensureStreams } from 'spanwire/streams'
import { serveChecked } from './checked-server.ts'
import { created } from './edge.ts'
import { events } from './events.ts'
import { readOpenTickets, tickets } from './projection.ts'
import { rateOf } from './rates.ts'
import { enter } from './room.ts'
import { watch } from './stored.ts'
import { tokenFor } from './token.ts'
import { prices } from './versions.ts'

const secret = process.env.AUTH_SECRET ?? ''
const all = [{ filter: '>' }]
const everything = await signToken({ secret, user: 'ada', events, publish: all, subscribe: all, expiresIn: 60 })

console.log('deploy')
await import('./deploy.ts')
console.log('watch')
await watch(everything)
console.log('project')
const direct = nats({ url: process.env.NATS_URL ?? '' })
await ensureStreams(tickets, direct)
const bus = connect({ transport: direct, events: tickets })
await bus.publish('tickets.{id}.opened', { id: '1' }, { title: 'first' })
await bus.publish('tickets.{id}.opened', { id: '2' }, { title: 'second' })
await bus.publish('tickets.{id}.closed', { id: '1' }, {})
console.log(await readOpenTickets(everything))
console.log('enter')
await enter(everything)
console.log('created')
await created('7', 12, everything)
await new Promise((resolve) => setTimeout(resolve, 300))
const stored = json<{ price: number }>()
await ensureStreams(prices, direct)
const former = connect({
  transport: direct,
  events: defineEvents({ 'prices.{symbol}': event(stored, { stream: 'PRICES' }) }),
})
await former.publish('prices.{symbol}', { symbol: 'ABC' }, { price: 12.5 })
const current = connect({ transport: direct, events: prices })
for await (const { data } of current.subscribe('prices.{symbol}', { symbol: 'ABC' }, { from: 'all' })) {
  console.log('cents', data.cents)
  break
}
const checked = await serveChecked(secret, async (user, room) => user === 'ada' && room === 'lobby')
const careless = connect({
  url: checked.url,
  token: everything,
  events: defineEvents({ 'chat.{room}.message': json<object>() }),
})
const codeOf = (error: unknown) => (isSpanwireError(error) ? error.code : error)
const say = (room: string, data: object) => careless.publish('chat.{room}.message', { room }, data)
await say('lobby', { text: 'hello' })
console.log(
  'checked',
  await say('cellar', { text: 'hello' }).catch(codeOf),
  await say('lobby', { text: 7 }).catch(codeOf),
)
console.log('rate', await rateOf('USD', everything))
console.log('token', (await tokenFor('ada', secret)).split('.').length)
process.exit(0)
