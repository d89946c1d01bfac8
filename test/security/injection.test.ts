import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { type Bus, bytes, connect, defineEvents } from '../../sdk/index.ts'
import { http } from '../../sdk/transport/http/index.ts'
import type { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { SECRET } from '../support/token.ts'
import { everything, LiveBridges, linesOf, post, sign } from './live-bridge.ts'

const events = defineEvents({ 'a.{x}': z.object({}), 'b.{rest...}': z.object({}), 'raw.{x}': bytes() })

let bridges: LiveBridges
let bridge: BridgeServer
let watcher: RawClient
let atNats: RawClient
let token: string
let buses: Array<Bus<typeof events>>
beforeAll(async () => {
  bridges = await LiveBridges.start()
  bridge = await bridges.serve({ auth: { secret: SECRET } })
  watcher = await bridges.atNats()
  atNats = await bridges.atNats()
  await watcher.exchange('SUB > 1\r\n')
  token = await sign({ sub: 'mallory', nats: everything })
  buses = [
    connect({ url: bridge.url, events, token }),
    connect({ transport: http({ url: bridge.url, token }), events }),
  ]
}, 60_000)
afterAll(async () => {
  await Promise.all(buses.map((bus) => bus.close()))
  watcher?.terminate()
  atNats?.terminate()
  await bridges?.close()
})

/** Subjects that reached NATS, except for the helper's own. */
const arrived = async () => (await linesOf(watcher, atNats)).filter((line) => !line.includes('_INBOX.unused'))

describe('subject injection through params', () => {
  it.each(['x.y', '*', '>', '', ' ', 'x y', 'x\r\nPUB stolen 0\r\n\r\n', 'x\tq', 'x\u0000', '\ud800'])(
    'rejects a value of %j in the SDK',
    async (x) => {
      for (const bus of buses) {
        await expect(bus.publish('a.{x}', { x }, {})).rejects.toMatchObject({ code: 'invalid-params' })
        await expect(bus.request('a.{x}', { x }, {})).rejects.toMatchObject({ code: 'invalid-params' })
      }
      if (x !== '*')
        expect(() => buses[0]?.subscribe('a.{x}', { x })).toThrow(expect.objectContaining({ code: 'invalid-params' }))
      expect(await arrived()).toEqual([])
    },
  )

  it.each(['.x', 'x.', 'x..y', 'x.*', 'x.>', 'x y'])('rejects a rest of %j in the SDK', async (rest) => {
    for (const bus of buses) {
      await expect(bus.publish('b.{rest...}', { rest }, {})).rejects.toMatchObject({ code: 'invalid-params' })
    }
    expect(await arrived()).toEqual([])
  })
})

describe('header injection', () => {
  it.each([
    ['x', 'a\r\nStolen: 1'],
    ['x', 'a\n'],
    ['x', 'a\u0000'],
    ['x\r\nStolen', '1'],
    ['x: y\r\nStolen', '1'],
    ['', '1'],
    ['x y', '1'],
  ])('rejects the header %j: %j', async (name, value) => {
    for (const bus of buses) {
      await expect(bus.publish('a.{x}', { x: '1' }, {}, { headers: [[name, value]] })).rejects.toMatchObject({
        code: 'invalid-header',
      })
    }
    expect(await arrived()).toEqual([])
  })

  it('rejects an id with line ends', async () => {
    for (const bus of buses) {
      await expect(bus.publish('a.{x}', { x: '1' }, {}, { id: 'i\r\nStolen: 1' })).rejects.toThrow()
    }
    expect(await arrived()).toEqual([])
  })
})

describe('payloads that look like protocol', () => {
  it('are delivered as payloads', async () => {
    const data = new TextEncoder().encode('\r\nPUB stolen 0\r\n\r\n')
    for (const bus of buses) await bus.publish('raw.{x}', { x: '1' }, data)
    const lines = await arrived()
    expect(lines.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(['HMSG raw.1', 'HMSG raw.1'])
  })
})

describe('NDJSON', () => {
  it.each(['a b', 'a\r\nPUB stolen 0\r\n\r\n', 'a.*', '>', '', '.', 'a..b', '\u0000'])(
    'rejects the subject %j',
    async (subject) => {
      const response = await post(bridge, '/publish', token, { body: JSON.stringify({ subject, data: 1 }) })
      expect(JSON.parse(await response.text())).toMatchObject({ ok: false, code: 'invalid-subject' })
      expect(await arrived()).toEqual([])
    },
  )
})
