import amqp from 'amqplib'
import { describe, expect, it } from 'vitest'
import { into, outOf, relay } from '../../bridge/relay/index.ts'
import { rabbitmq } from '../../bridge/relay/rabbitmq/index.ts'
import { connect } from '../../sdk/index.ts'
import { eventually } from '../support/eventually.ts'
import { isSkipped } from '../support/runtimes.ts'
import { setMemoryLimit } from './rabbit-control.ts'
import { checkStomp } from './stomp.ts'
import { type Bench, events, relaySuite, statusOf } from './suite.ts'

describe.skipIf(isSkipped('rabbitmq'))('relays', () => relaySuite('rabbitmq', ofRabbit))

function ofRabbit(bench: () => Bench): void {
  const within = async (use: (channel: amqp.Channel) => Promise<unknown>) => {
    const connection = await amqp.connect(bench().foreign.broker.url)
    await use(await connection.createChannel())
    await connection.close()
  }
  const shop = () => rabbitmq({ url: bench().foreign.broker.url })
  const params = ({ data }: { readonly data: unknown }) => ({ key: (data as { key: string }).key })

  it('carries messages over STOMP, in order, and warns about the order over several relays', async () => {
    await bench().clear()
    await checkStomp(bench(), /RabbitMQ.* exclusive/)
  }, 60_000)

  it('waits while a queue is full, and loses nothing', async () => {
    await bench().clear()
    const full = { durable: true, arguments: { 'x-max-length': 5, 'x-overflow': 'reject-publish' } }
    await within((channel) => channel.assertQueue('full', full))
    const running = await bench().run({ orders: outOf(events, 'orders.{key}', { to: shop().queue('full') }) })
    const bus = connect({ transport: bench().transport, events })
    for (let n = 0; n < 20; n++) await bus.publish('orders.{key}', { key: 'k' }, { n, key: 'k' })
    await eventually(() => statusOf(running, 'orders').problem?.includes('a queue is full'))
    const received: number[] = []
    await within(async (channel) => {
      await channel.consume('full', (message) => {
        if (!message) return
        received.push(JSON.parse(message.content.toString()).n)
        channel.ack(message)
      })
      await eventually(() => received.length >= 20, { deadline: 30_000 })
    })
    expect(received).toEqual(Array.from({ length: 20 }, (_, n) => n))
  }, 60_000)

  it('waits during a memory alarm, reports it, and loses nothing', async () => {
    await bench().clear()
    const { foreign, transport } = bench()
    const { name, at } = await bench().place()
    const running = await bench().run({ orders: outOf(events, 'orders.{key}', { to: at }) })
    const bus = connect({ transport, events })
    const send = (n: number) => bus.publish('orders.{key}', { key: 'k' }, { n, key: 'k' })
    await send(0)
    await eventually(() => statusOf(running, 'orders').relayed === 1)
    await setMemoryLimit(foreign.broker, 0)
    for (let n = 1; n < 10; n++) await send(n)
    await eventually(() => statusOf(running, 'orders').problem?.includes('no confirmation'))
    expect(statusOf(running, 'orders')).toMatchObject({ state: 'waiting', relayed: 1 })
    await setMemoryLimit(foreign.broker, 0.4)
    await eventually(() => statusOf(running, 'orders').relayed === 10)
    expect(statusOf(running, 'orders').state).toBe('running')
    const received = (await foreign.receiveAll(name)).map(({ value }) => JSON.parse(value ?? '').n)
    expect(received).toEqual(Array.from({ length: 10 }, (_, n) => n))
  }, 60_000)

  it('puts aside messages that no queue takes', async () => {
    await bench().clear()
    await within((channel) => channel.assertExchange('routed', 'topic'))
    const to = shop().exchange('routed')
    const running = await bench().run({
      orders: outOf(events, 'orders.{key}', { to, key: (e) => e.params.key, deadLetter: 'dead.orders' }),
    })
    await connect({ transport: bench().transport, events }).publish('orders.{key}', { key: 'k' }, { n: 1, key: 'k' })
    await eventually(() => statusOf(running, 'orders').dead === 1)
    expect(statusOf(running, 'orders').relayed).toBe(0)
  })

  it('knows whether a queue has a single active consumer, whatever else it has', async () => {
    await bench().clear()
    const quorum = { 'x-queue-type': 'quorum', 'x-max-length': 1_000, 'x-dead-letter-exchange': 'dlx' }
    await within(async (channel) => {
      await channel.assertQueue('quorum', { durable: true, arguments: quorum })
      await channel.assertQueue('single', { durable: true, arguments: { ...quorum, 'x-single-active-consumer': true } })
      await channel.assertQueue('passing', { durable: false, autoDelete: true })
    })
    const start = (name: string, order: 'required' | 'preferred' | 'none') => {
      const from = shop().queue(name, { order })
      return bench().run({ [`${name}-${order}`]: into(events, 'orders.{key}', { from, params }) })
    }
    await expect(start('quorum', 'required')).rejects.toMatchObject({ code: 'broker-refused' })
    expect((await start('quorum', 'preferred')).problems.join()).toContain('x-single-active-consumer')
    expect((await start('passing', 'preferred')).problems.join()).toContain('x-single-active-consumer')
    expect((await start('quorum', 'none')).problems).toEqual([])
    expect((await start('single', 'required')).problems).toEqual([])
    await expect(start('absent', 'none')).rejects.toMatchObject({ code: 'broker-refused' })
  })

  it('stores a repetition once within the duplicate window, and again after it, as documented', async () => {
    await bench().clear()
    const { transport, foreign } = bench()
    const config = { name: 'ORDERS', subjects: ['orders.*'], duplicate_window: 1_000_000_000 }
    await transport.request('$JS.API.STREAM.UPDATE.ORDERS', new TextEncoder().encode(JSON.stringify(config)), {
      timeout: 5_000,
    })
    const { name, at } = await bench().place()
    const running = await bench().run({ orders: into(events, 'orders.{key}', { from: at, params }) })
    const one = { id: 'same', value: '{"n":1,"key":"k"}' }
    await foreign.send(name, [one, one])
    await eventually(() => statusOf(running, 'orders').duplicates === 1)
    expect(statusOf(running, 'orders').relayed).toBe(1)
    await eventually(async () => {
      await foreign.send(name, [one])
      return statusOf(running, 'orders').relayed === 2
    })
  })

  it('warns that messages without ids may be stored twice', async () => {
    await bench().clear()
    const { name, at } = await bench().place()
    await bench().foreign.send(name, [{ value: '{"n":1,"key":"k"}' }])
    const running = await bench().run({ orders: into(events, 'orders.{key}', { from: at, params }) })
    await eventually(() => statusOf(running, 'orders').relayed === 1)
    expect(running.problems.join()).toContain('have no id')
    expect(statusOf(running, 'orders')).toMatchObject({
      withoutId: 1,
      guarantee: expect.stringContaining('message-id'),
    })
  })

  it('refuses two relays of one queue, and a dead letter that a relay reads', () => {
    const { transport } = bench()
    const from = shop().queue('one')
    const pair = {
      a: into(events, 'orders.{key}', { from, params }),
      b: into(events, 'dead.orders', { from, params: () => ({}) }),
    }
    expect(() => relay(events, pair, { transport })).toThrow(/a and b read rabbitmq:one/)
    const circle = { a: into(events, 'orders.{key}', { from, params, deadLetter: shop().queue('one') }) }
    expect(() => relay(events, circle, { transport })).toThrow(/dead letter of a .* is read by a/)
  })
}
