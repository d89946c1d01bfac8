import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { activemq } from '../../bridge/relay/activemq/index.ts'
import { into, outOf } from '../../bridge/relay/index.ts'
import { startActiveMq } from '../../demo/setup/brokers/activemq.ts'
import { connect, defineEvents, event } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { eventually } from '../support/eventually.ts'
import { isSkipped } from '../support/runtimes.ts'
import { checkStomp } from './stomp.ts'
import { readStream } from './stored.ts'
import { type Bench, events, openBench, relaySuite, statusOf } from './suite.ts'

describe.skipIf(isSkipped('activemq'))('relays', () => relaySuite('activemq', ofActiveMq))

function ofActiveMq(bench: () => Bench): void {
  it('carries headers whose names STOMP uses itself', async () => {
    await bench().clear()
    const { transport, server } = bench()
    const { at } = await bench().place()
    const headers = ['destination', 'message-id', 'x-a']
    const contract = defineEvents({
      'flights.{key}': event(z.object({ n: z.number() }), { stream: 'FLIGHTS' }),
      'orders.{key}': events['orders.{key}'],
    })
    await ensureStreams(contract, transport)
    const outward = { out: outOf(contract, 'flights.{key}', { to: at, headers }) }
    const running = await bench().run(
      { ...outward, in: into(contract, 'orders.{key}', { from: at, headers, params: () => ({ key: 'k' }) }) },
      contract,
    )
    const sent = { destination: 'BOS', 'message-id': 'mine', 'x-a': 'yes' }
    const data = new TextEncoder().encode('{"n":1,"key":"k"}')
    await transport.publish('flights.k', data, { headers: Object.entries(sent) })
    await eventually(() => statusOf(running, 'in').relayed === 1)
    const stored = (await readStream(server.url, 'ORDERS')).filter(({ subject }) => subject === 'orders.k')
    expect(stored[0]?.headers).toMatchObject(sent)
  })

  it('waits while the store is full, reports it, and loses nothing', async () => {
    await bench().clear()
    const { transport } = bench()
    await using folder = await temporaryFolder()
    // Small journals that are removed soon after their last message is consumed.
    const store = `<kahaDB directory="${folder.path}" journalMaxFileLength="128kb" cleanupInterval="200"/>`
    const usage =
      '<systemUsage><systemUsage><storeUsage><storeUsage limit="1 mb"/></storeUsage></systemUsage></systemUsage>'
    const config = `<persistenceAdapter>${store}</persistenceAdapter>${usage}`
    await using full = await startActiveMq({ config })
    const queue = activemq({ url: full?.url ?? '' }).queue('full')
    const running = await bench().run({ orders: outOf(events, 'orders.{key}', { to: queue, ordered: [] }) })
    const bus = connect({ transport, events })
    const text = 'x'.repeat(100_000)
    for (let n = 0; n < 30; n++) {
      const data = { n, key: 'k', text }
      await bus.publish('orders.{key}', { key: 'k' }, data)
    }
    await eventually(() => statusOf(running, 'orders').problem?.includes('no confirmation'))
    expect(statusOf(running, 'orders').state).toBe('waiting')
    expect(statusOf(running, 'orders').relayed).toBeLessThan(30)
    const received: number[] = []
    const source = await queue.openSource({
      relay: 'test',
      window: 5,
      windowBytes: 1024 * 1024,
      warn() {},
      handler: {
        messages(batch) {
          for (const { payload } of batch) received.push(JSON.parse(new TextDecoder().decode(payload ?? undefined)).n)
          void source.settle(batch)
        },
        lost() {},
        failed() {},
      },
    })
    await eventually(() => new Set(received).size === 30, { deadline: 30_000 })
    await eventually(() => statusOf(running, 'orders').relayed === 30)
    await running.drain()
    await source.close()
    expect([...new Set(received)]).toEqual(Array.from({ length: 30 }, (_, n) => n))
  }, 60_000)
}

async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'spanwire-store-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) }
}

describe.skipIf(isSkipped('artemis'))('STOMP of artemis', () => {
  it('carries messages in both directions, in order, and warns about the order over several relays', async () => {
    await using bench = await openBench('artemis')
    await checkStomp(bench, /Artemis.* exclusive/)
  }, 120_000)
})
