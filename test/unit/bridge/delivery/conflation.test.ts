import { describe, expect, it } from 'vitest'
import { createTestBridge } from '../../../../bridge/testing/index.ts'
import { defineEvents, type StandardSchema } from '../../../../sdk/index.ts'
import { coreOf } from '../../../support/hub-core.ts'
import { bridgeFor, ScriptedClient, SECRET, settle, sign } from '../session/scripted-client.ts'

const LIMIT = 64 * 1_024
const limits = { maxPayload: 1_024, maxPending: LIMIT }
const connect = 'CONNECT {"verbose":false,"no_responders":true,"headers":true}\r\n'

/** Subjects and numbers of the messages that a client received. */
function messagesOf(client: ScriptedClient): Array<[subject: string, n: number]> {
  const text = client.sends
    .splice(0)
    .map((bytes) => new TextDecoder().decode(bytes))
    .join('')
  return [...text.matchAll(/^MSG (\S+) \S+ \d+\r\n(\d+)/gm)].map(([, subject = '', n]) => [subject, Number(n)])
}

describe('a conflated subscription', () => {
  it('gets all messages while it reads, and the newest of each subject after a pause', async () => {
    const { bridge, upstream } = bridgeFor({ limits })
    const [slow, plain] = [new ScriptedClient(bridge), new ScriptedClient(bridge)]
    slow.send(`${connect}SUB $EDGE.CONFLATE.prices.* 1\r\nPING\r\n`)
    plain.send(`${connect}SUB prices.* 1\r\nPING\r\n`)
    await slow.turn()
    await plain.turn()
    let n = 0
    const publish = async (count: number) => {
      for (let i = 0; i < count; i++)
        upstream.publish({
          subject: `prices.${'abc'[n % 3]}`,
          payload: new TextEncoder().encode(String(++n).padEnd(500, '.')),
        })
      await settle()
      coreOf(bridge.hub).turn.flush()
    }
    await publish(10)
    expect(messagesOf(slow)).toEqual(messagesOf(plain))
    for (let i = 0; i < 50; i++) await publish(10)
    // Neither client has read. One is a slow consumer, and the other skips messages.
    expect(plain.closes).toEqual([{ code: 1008, reason: 'Slow Consumer' }])
    expect(slow.closes).toEqual([])
    const before = messagesOf(slow)
    expect(before.length).toBeLessThan(60)
    expect(before.length * 500).toBeGreaterThan(LIMIT / 8)
    // The client reads again.
    for (let i = 0; i < 8; i++) slow.send('PONG\r\n')
    await settle()
    coreOf(bridge.hub).turn.flush()
    expect(messagesOf(slow)).toEqual([n - 2, n - 1, n].map((number) => [`prices.${'abc'[(number - 1) % 3]}`, number]))
    await publish(3)
    expect(messagesOf(slow).length).toBe(3)
    expect(slow.closes).toEqual([])
  })

  it('is a slow consumer if the newest messages exceed its limit', async () => {
    const { bridge, upstream } = bridgeFor({ limits })
    const client = new ScriptedClient(bridge)
    client.send(`${connect}SUB $EDGE.CONFLATE.prices.* 1\r\nPING\r\n`)
    await client.turn()
    for (let i = 0; i < 400; i++) {
      upstream.publish({ subject: `prices.${i}`, payload: new Uint8Array(500) })
      if (i % 10 > 0) continue
      await settle()
      coreOf(bridge.hub).turn.flush()
    }
    expect(client.closes).toEqual([{ code: 1008, reason: 'Slow Consumer' }])
  })

  it('drops pending messages that a new token does not allow', async () => {
    const { bridge, upstream } = bridgeFor({ limits, auth: { secret: SECRET } })
    const token = (deny: string[]) => sign({ sub: 'ada', nats: { sub: { allow: ['prices.*'], deny } } })
    const client = await ScriptedClient.connected(bridge, { auth_token: await token([]) })
    client.send('SUB $EDGE.CONFLATE.prices.* 1\r\n')
    const publish = async (subject: string) => {
      upstream.publish({ subject, payload: new TextEncoder().encode('1'.padEnd(500, '.')) })
      await settle()
      coreOf(bridge.hub).turn.flush()
    }
    for (let i = 0; i < 60; i++) await publish('prices.a')
    for (const subject of ['prices.secret', 'prices.b']) await publish(subject)
    expect(new Set(messagesOf(client).map(([subject]) => subject))).toEqual(new Set(['prices.a']))
    client.send(`CONNECT {"auth_token":"${await token(['prices.secret'])}"}\r\n${'PONG\r\n'.repeat(8)}PING\r\n`)
    const text = await client.until('PONG')
    expect(text).toContain('MSG prices.b 1')
    expect(text).not.toContain('secret')
  })

  it('needs permission for its filter, and rejects queue groups and replays', async () => {
    const rules = { allow: ['prices.*', '$EDGE.>'], deny: [] }
    const { bridge } = bridgeFor({ auth: { anonymous: { publish: rules, subscribe: rules } } })
    const client = new ScriptedClient(bridge)
    client.send(
      `${connect}SUB $EDGE.CONFLATE.secret.* 1\r\nSUB $EDGE.CONFLATE.prices.* group 2\r\nSUB $EDGE.CONFLATE.$EDGE.REPLAY.all.prices.* 3\r\nSUB $EDGE.CONFLATE.prices.* 4\r\nPING\r\n`,
    )
    const text = await client.turn()
    expect(text.match(/-ERR '.*'/g)).toEqual([
      `-ERR 'Permissions Violation for Subscription to "$EDGE.CONFLATE.secret.*"'`,
      "-ERR 'Invalid Subject'",
      "-ERR 'Invalid Subject'",
    ])
    expect(bridge.hub.stats.subscriptions).toBe(1)
  })
})

it('is requested by an option of the SDK', async () => {
  const schema: StandardSchema<number> = {
    '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as number }) },
  }
  const events = defineEvents({ 'prices.{symbol}': schema })
  await using bridge = createTestBridge({ limits: { maxPayload: 1_024, maxPending: 8 * 1_024 } })
  const tunnel = bridge.network()
  const phone = bridge.connect({ events, network: tunnel })
  const received: number[] = []
  await phone.on('prices.{symbol}', ({ data }) => received.push(data), { conflate: true }).ready
  const service = bridge.service({ events })
  await service.publish('prices.{symbol}', { symbol: 'a' }, 1)
  await bridge.settle()
  expect(received).toEqual([1])
  tunnel.partition()
  for (let n = 2; n <= 1_000; n++) {
    await service.publish('prices.{symbol}', { symbol: n % 2 ? 'a' : 'b' }, n)
    if (n % 100 === 0) await bridge.settle()
  }
  tunnel.heal()
  await bridge.settle()
  expect(received.slice(-2)).toEqual([999, 1_000])
  expect(received.length).toBeLessThan(200)
  expect(phone.status.current.state).toBe('open')
  const denied = bridge.connect({ events, as: { user: 'eve', subscribe: [] } })
  await expect(denied.on('prices.{symbol}', () => {}, { conflate: true }).ready).rejects.toMatchObject({
    code: 'permission-denied',
  })
})
