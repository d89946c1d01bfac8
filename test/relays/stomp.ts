/** The rule for STOMP of brokers other than ActiveMQ Classic. */
import { expect } from 'vitest'
import { activemq } from '../../bridge/relay/activemq/index.ts'
import { into, outOf } from '../../bridge/relay/index.ts'
import { connect } from '../../sdk/index.ts'
import { eventually } from '../support/eventually.ts'
import { judge } from './relay-chaos.ts'
import { readStream } from './stored.ts'
import { type Bench, events, statusOf } from './suite.ts'

/** Carries messages in both directions, in order. Expects a warning about the order over several relays. */
export async function checkStomp(bench: Bench, warning: RegExp): Promise<void> {
  const stompPort = bench.foreign.broker.stompPort ?? 0
  const shop = activemq({ url: `stomp://guest:guest@127.0.0.1:${stompPort}`, vhost: '/' })
  const queue = shop.queue('both')
  const bus = connect({ transport: bench.transport, events })
  const sent = Array.from({ length: 200 }, (_, n) => ({ n, key: `k${n % 5}` }))
  const out = await bench.run({ out: outOf(events, 'orders.{key}', { to: queue }) })
  for (const one of sent) await bus.publish('orders.{key}', { key: one.key }, one)
  await eventually(() => statusOf(out, 'out').relayed === 200)
  await bench.clear()
  const running = await bench.run({
    // Outgoing messages are not taken for a loop.
    in: into(events, 'orders.{key}', {
      from: {
        ...queue,
        openSource: (options) => queue.openSource({ ...options, handler: withoutRoute(options.handler) }),
      },
      params: ({ data }) => ({ key: (data as { key: string }).key }),
      id: ({ headers }) => headers.get('Spanwire-Id'),
    }),
  })
  await eventually(() => statusOf(running, 'in').relayed === 200)
  expect(running.problems.join()).toMatch(warning)
  const stored = (await readStream(bench.server.url, 'ORDERS')).filter(({ subject }) => subject.startsWith('orders.'))
  expect(
    judge(
      sent,
      stored.map(({ text }) => JSON.parse(text)),
    ),
  ).toEqual({ lost: 0, repeated: 0, inversions: 0 })
}

type Handler = Parameters<ReturnType<ReturnType<typeof activemq>['queue']>['openSource']>[0]['handler']

function withoutRoute(handler: Handler): Handler {
  return {
    ...handler,
    messages: (batch) =>
      handler.messages(
        batch.map((one) => ({ ...one, headers: one.headers.filter(([name]) => name !== 'Spanwire-Relay') })),
      ),
  }
}
