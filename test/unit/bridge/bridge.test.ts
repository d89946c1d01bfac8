import { describe, expect, it } from 'vitest'
import { bridgeFor, ScriptedClient } from './session/scripted-client.ts'

const codeOf = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code]

describe('GET', () => {
  it('/healthz reports draining, during which no clients are accepted', async () => {
    const { bridge } = bridgeFor()
    const client = await ScriptedClient.connected(bridge)
    let isDrained = false
    const drained = bridge.hub.drain(60_000).then(() => {
      isDrained = true
    })
    expect(await client.turn()).toContain('"ldm":true')
    const health = await bridge.app.request('/healthz')
    expect([health.status, await health.json()]).toEqual([503, expect.objectContaining({ status: 'draining' })])
    for (const path of ['/nats', '/nats/stream']) {
      const response = await bridge.app.request(path, { headers: { Upgrade: 'websocket' } })
      expect(await codeOf(response)).toEqual([503, 'upstream-unavailable'])
    }
    expect(isDrained).toBe(false)
    client.connection.closed()
    await drained
    const late = await ScriptedClient.connected(bridge)
    await bridge.hub.drain(1)
    expect(late.closes).toEqual([])
    bridge.close()
    expect(late.closes).toMatchObject([{ code: 1001 }])
  })

  it('/nats without an upgrade describes itself', async () => {
    expect((await bridgeFor().bridge.app.request('/nats')).status).toBe(426)
  })
})
