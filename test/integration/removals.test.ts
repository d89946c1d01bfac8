/** Markers of nats-server 2.11 and later: an event is removed by its time to live, or deleted. */
import { headers as createHeaders, connect as dial, type NatsConnection } from 'nats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as z from 'zod'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { consume } from '../../sdk/consumer/index.ts'
import { connect, defineEvents, type Removal, type Transport, webSocket } from '../../sdk/index.ts'
import { latestStore } from '../../sdk/store/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'

const events = defineEvents({ 'price.{symbol}': z.object({ n: z.number() }) }, { stream: 'PRICES' })

let server: NatsServer
let admin: NatsConnection
let bridge: BridgeServer
let token: string

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
  admin = await dial({ servers: server.url })
  bridge = await serve({ upstream: server.url, auth: { secret: SECRET } })
  token = await rootToken()
})
afterAll(async () => {
  await bridge?.close()
  await admin?.close()
  await server?.[Symbol.asyncDispose]()
})

it('a removal reaches onRemoved, latest and stores, is not invalid, and is not consumed', async ({ skip }) => {
  skip(Number(server.version.split('.')[1]) < 11, 'needs nats-server 2.11')
  const config = {
    name: 'PRICES',
    subjects: ['price.*'],
    storage: 'memory',
    allow_msg_ttl: true,
    allow_rollup_hdrs: true,
    // In ns. The server raises a shorter time to live to this one.
    subject_delete_marker_ttl: 1_000_000_000,
  }
  await admin.request('$JS.API.STREAM.CREATE.PRICES', JSON.stringify(config))
  const transports: Transport[] = [webSocket({ url: bridge.url, token }), nats({ url: server.url })]
  const invalid: unknown[] = []
  const buses = transports.map((transport) => connect({ transport, events, onInvalid: (error) => invalid.push(error) }))
  const [bus] = buses
  if (!bus) throw new Error('no bus')
  const headers = [['Nats-TTL', '1s']] as const
  await bus.publish('price.{symbol}', { symbol: 'OLD' }, { n: 1 }, { headers, reservedHeaders: true })
  await bus.publish('price.{symbol}', { symbol: 'NEW' }, { n: 2 })
  const followers = buses.map((own) => {
    const view = own.latest('price.{symbol}')
    const store = latestStore(own, 'price.{symbol}')
    const seen: unknown[] = []
    const removals: Removal[] = []
    const updates: unknown[] = []
    let renders = 0
    store.subscribe(() => renders++)
    view.subscribe(
      () => {},
      ({ params, removed }) => updates.push([params.symbol, removed]),
    )
    const handle = own.on('price.{symbol}', ({ params }) => seen.push(params.symbol), {
      from: 'all',
      onRemoved: (removal) => removals.push(removal),
    })
    return { view, store, seen, removals, updates, handle, renders: () => renders }
  })
  for (const { view, store } of followers) {
    await view.ready
    await eventually(() => store.getSnapshot().values.size === 2)
  }
  for (const { view, store, removals, updates, seen, handle } of followers) {
    await eventually(() => removals.length === 1 && updates.length === 1 && store.getSnapshot().values.size === 1)
    expect(removals[0]).toMatchObject({ subject: 'price.OLD', params: { symbol: 'OLD' }, removed: 'MaxAge', seq: 3 })
    expect(updates).toEqual([['OLD', 'MaxAge']])
    expect([...view.values().keys()]).toEqual(['price.NEW'])
    expect(view.get({ symbol: 'OLD' })).toBeUndefined()
    expect(seen).toEqual(['OLD', 'NEW'])
    // The cursor is after the marker.
    await eventually(() => handle.cursor?.startsWith('4@'))
  }
  // A later reader, also of a bucket's own marker.
  await admin.request('price.NEW', '', { timeout: 5_000, headers: operation('PURGE') })
  for (const { removals } of followers) await eventually(() => removals.length === 2)
  expect(followers.map(({ removals }) => removals[1]?.removed)).toEqual(['PURGE', 'PURGE'])
  const consumed: string[] = []
  await using _consumer = consume(
    { events, connection: transports[1] as Transport },
    'price.{symbol}',
    ({ params }) => consumed.push(params.symbol),
    { consumer: 'prices' },
  )
  await bus.publish('price.{symbol}', { symbol: 'LAST' }, { n: 3 })
  await eventually(() => consumed.includes('LAST'))
  expect(consumed.filter((symbol) => symbol === 'OLD')).toEqual([])
  expect(invalid).toEqual([])
  for (const own of buses) await own.close()
}, 30_000)

function operation(name: string) {
  const fields = createHeaders()
  fields.set('KV-Operation', name)
  return fields
}
