import { describe, expect, it, vi } from 'vitest'
import { copyParts, encodeParts, sizeOf } from '../../../../bridge/http/response-body.ts'
import { coreOf } from '../../../support/hub-core.ts'
import { bridgeFor, SECRET, sign } from '../session/scripted-client.ts'

const MIB = 1024 * 1024
const nats = { pub: { allow: ['>'] } }

/** A bridge with a responder whose replies have this size. */
async function withReplies(size: number, limits: object = {}) {
  const { bridge, upstream } = bridgeFor({ auth: { secret: SECRET }, limits })
  upstream.subscribe('large', undefined, ({ reply = '' }) => {
    upstream.publish({ subject: reply, payload: new Uint8Array(size).fill(120) })
  })
  upstream.subscribe('mute', undefined, () => {})
  const ask = async (user: string, path = '/request/large') =>
    bridge.app.request(path, {
      method: 'POST',
      headers: { Authorization: `Bearer ${await sign({ sub: user, nats })}` },
    })
  return { ask, budget: coreOf(bridge.hub).budget }
}

describe('a large response', () => {
  it('is counted until the client has read it', async () => {
    const { ask, budget } = await withReplies(MIB)
    const response = await ask('ada')
    expect(budget.bytes).toBe(MIB)
    expect(await response.text()).toBe('x'.repeat(MIB))
    await vi.waitFor(() => expect(budget.bytes).toBe(0))
    const unread = await ask('ada')
    await unread.body?.cancel()
    await vi.waitFor(() => expect(budget.bytes).toBe(0))
  })

  it('is refused once a user leaves too many bytes unread', async () => {
    const { ask, budget } = await withReplies(MIB, { memory: { connection: 16 * MIB, user: 4 * MIB, hub: 64 * MIB } })
    const responses = [await ask('mallory'), await ask('mallory'), await ask('mallory'), await ask('mallory')]
    expect((await ask('mallory')).status).toBe(429)
    expect(budget.bytes).toBe(4 * MIB)
    expect((await (await ask('ada')).arrayBuffer()).byteLength).toBe(MIB)
    for (const response of responses) expect((await response.arrayBuffer()).byteLength).toBe(MIB)
  })

  it('is cut off if the hub is full', async () => {
    const { ask } = await withReplies(MIB, { memory: { connection: 16 * MIB, user: 4 * MIB, hub: 2 * MIB } })
    const unread = [await ask('mallory'), await ask('mallory')]
    expect((await (await ask('ada')).arrayBuffer()).byteLength).toBe(MIB)
    const outcomes = await Promise.allSettled(unread.map((response) => response.arrayBuffer()))
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})

describe('requests in progress', () => {
  it('are bounded per user, and end with their responses', async () => {
    const { ask } = await withReplies(MIB, { requests: { user: 2, hub: 100 } })
    const waiting = [ask('mallory', '/request/mute?timeout=200'), ask('mallory', '/request/mute?timeout=200')]
    await vi.waitFor(async () => expect((await ask('mallory', '/request/none')).status).toBe(429))
    expect((await ask('ada', '/request/none')).status).toBe(503)
    for (const response of await Promise.all(waiting)) expect(response.status).toBe(504)
    const unread = [await ask('mallory'), await ask('mallory')]
    expect((await ask('mallory', '/request/none')).status).toBe(429)
    for (const response of unread) await response.body?.cancel()
    await vi.waitFor(async () => expect((await ask('mallory', '/request/none')).status).toBe(503))
  })
})

describe('parts', () => {
  it('have all bytes, each in a buffer of its own', () => {
    const bytes = Uint8Array.from({ length: 150_000 }, (_, index) => index)
    const parts = copyParts(bytes)
    expect(parts.map(({ length, buffer }) => [length, buffer.byteLength])).toEqual([
      [65_536, 65_536],
      [65_536, 65_536],
      [18_928, 18_928],
    ])
    expect(Buffer.concat(parts).equals(bytes)).toBe(true)
    expect(copyParts(new Uint8Array(0)).map(({ length }) => length)).toEqual([0])
  })

  it('join texts up to their size', () => {
    const texts = Array.from({ length: 1_000 }, (_, index) => `${index}ü`.padEnd(200, '-'))
    const parts = encodeParts(texts)
    expect(parts.length).toBe(4)
    expect(new TextDecoder().decode(Buffer.concat(parts))).toBe(texts.join(''))
    expect(sizeOf(parts)).toBe(201_000)
    expect(encodeParts([]).map(({ length }) => length)).toEqual([0])
    expect(encodeParts(['x'.repeat(65_536)]).map(({ length }) => length)).toEqual([65_536])
  })
})
