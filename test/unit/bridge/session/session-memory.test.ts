import { describe, expect, it } from 'vitest'
import { coreOf } from '../../../support/hub-core.ts'
import { bridgeFor, ScriptedClient, SECRET, settle, sign } from './scripted-client.ts'

const MIB = 1024 * 1024
const MEMORY = [{ code: 1008, reason: 'Memory Limit Exceeded' }]
const nats = { pub: { allow: ['>'] }, sub: { allow: ['>'] } }

async function bridgeWith(memory: { connection: number; user: number; hub: number }, more: object = {}) {
  const { bridge, upstream } = bridgeFor({ auth: { secret: SECRET }, limits: { memory, maxPending: MIB, ...more } })
  const connect = async (user: string) =>
    ScriptedClient.connected(bridge, { auth_token: await sign({ sub: user, nats }) })
  const publish = async (subject: string, bytes: number) => {
    upstream.publish({ subject, payload: new Uint8Array(bytes).fill(120) })
    await settle()
    coreOf(bridge.hub).turn.flush()
  }
  return { bridge, connect, publish, budget: coreOf(bridge.hub).budget }
}

/** Sends the beginning of a PUB of 1 MiB. */
function sendHalf(client: ScriptedClient, bytes: number): void {
  client.send(`PUB a ${MIB}\r\n`)
  client.send('x'.repeat(bytes))
}

describe('unfinished input', () => {
  it('closes the most expensive connection of a user beyond its share, and no other user', async () => {
    const { connect, budget } = await bridgeWith({ connection: 4 * MIB, user: 1_000_000, hub: 64 * MIB })
    const [small, large, other] = [await connect('mallory'), await connect('mallory'), await connect('ada')]
    sendHalf(other, 900_000)
    sendHalf(large, 600_000)
    sendHalf(small, 500_000)
    await settle()
    expect([small, large, other].map(({ closes }) => closes)).toEqual([[], MEMORY, []])
    small.send(`${'x'.repeat(MIB - 500_000)}\r\nPING\r\n`)
    expect(await small.until('PONG')).toContain('PONG')
    other.send(`${'x'.repeat(MIB - 900_000)}\r\nPING\r\n`)
    expect(await other.until('PONG')).toContain('PONG')
    for (const client of [small, large, other]) client.connection.closed()
    expect(budget.bytes).toBe(0)
  })

  it('of connections without credentials has the share of one user in all', async () => {
    const { bridge, connect } = await bridgeWith({ connection: 4 * MIB, user: 100_000, hub: 64 * MIB })
    const strangers = Array.from({ length: 10 }, () => new ScriptedClient(bridge))
    const known = await connect('ada')
    for (const [index, stranger] of strangers.entries())
      stranger.send(`CONNECT {"auth_token":"${'x'.repeat(20_000 + index)}`)
    sendHalf(known, 90_000)
    await settle()
    const open = strangers.filter(({ closes }) => closes.length === 0)
    expect(open.length).toBeGreaterThan(1)
    expect(open.length).toBeLessThan(6)
    expect(known.closes).toEqual([])
  })
})

describe('held messages', () => {
  it('of all conflated subscriptions of a connection have one limit', async () => {
    const { connect, publish, budget, bridge } = await bridgeWith(
      { connection: 64 * MIB, user: 64 * MIB, hub: 64 * MIB },
      { maxPayload: 100_000 },
    )
    const slow = await connect('mallory')
    slow.send(Array.from({ length: 500 }, (_, sid) => `SUB $EDGE.CONFLATE.x.* ${sid + 1}\r\n`).join(''))
    slow.send('SUB fill fill\r\n')
    while (bridge.hub.stats.subscriptions < 501) await slow.turn()
    for (let i = 0; i < 3; i++) await publish('fill', 100_000)
    const before = budget.bytes
    // The limit of a connection is a quarter of maxPending.
    await publish('x.1', 500)
    expect(budget.bytes - before).toBeLessThanOrEqual(MIB / 4 + 200_000)
    await publish('x.2', 2_000)
    expect(slow.closes).toEqual([{ code: 1008, reason: 'Slow Consumer' }])
  })
})

describe('a subscription', () => {
  it('is counted, and given back', async () => {
    const { bridge, connect, budget } = await bridgeWith({ connection: 8 * MIB, user: 8 * MIB, hub: 8 * MIB })
    const client = await connect('ada')
    const before = budget.bytes
    client.send(Array.from({ length: 1_000 }, (_, sid) => `SUB ${'a'.repeat(400)}.${sid} ${sid}\r\n`).join(''))
    while (bridge.hub.stats.subscriptions < 1_000) await client.turn()
    expect(budget.bytes - before).toBeGreaterThan(400_000)
    client.connection.closed()
    expect(budget.bytes).toBe(0)
  })

  it('with a long sid for each message costs its own connection', async () => {
    const { connect } = await bridgeWith({ connection: 2 * MIB, user: 2 * MIB, hub: 64 * MIB })
    const [mallory, ada] = [await connect('mallory'), await connect('ada')]
    mallory.send(Array.from({ length: 1_000 }, (_, sid) => `SUB ${sid} ${`${sid}`.padEnd(3_900, 's')}\r\n`).join(''))
    while (mallory.closes.length === 0) await mallory.turn()
    expect(mallory.closes).toEqual(MEMORY)
    ada.send('PING\r\n')
    expect(await ada.until('PONG')).toContain('PONG')
  })
})
