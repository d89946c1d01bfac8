import { describe, expect, it } from 'vitest'
import { bridgeFor } from '../session/scripted-client.ts'

const KEY = 'k'.repeat(40)

describe('GET /healthz', () => {
  it('reports whether NATS is available', async () => {
    const { bridge, upstream } = bridgeFor()
    const response = await bridge.app.request('/healthz')
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok', upstream: 'open' }])
    await upstream.close()
    expect((await bridge.app.request('/healthz')).status).toBe(503)
  })

  it('can be read by pages of every origin, on every host name', async () => {
    const { app } = bridgeFor({ origins: ['https://app.example.com'], hosts: ['bridge.example.com'] }).bridge
    const headers = { Origin: 'https://evil.example' }
    for (const url of ['http://bridge.example.com/healthz', 'http://other.example.com/healthz']) {
      const response = await app.request(url, { headers })
      expect([response.status, response.headers.get('Access-Control-Allow-Origin')]).toEqual([200, '*'])
    }
    const preflight = { ...headers, 'Access-Control-Request-Method': 'GET' }
    expect(
      (await app.request('http://bridge.example.com/healthz', { method: 'OPTIONS', headers: preflight })).status,
    ).toBe(204)
  })

  it('names the broker for callers with the monitoring key only', async () => {
    const { app } = bridgeFor({ monitoring: { key: KEY } }).bridge
    const ask = async (headers: HeadersInit) => (await app.request('/healthz', { headers })).json()
    expect(await ask({ Authorization: `Bearer ${KEY}` })).toMatchObject({ broker: 'embedded' })
    expect(await ask({ Authorization: `Bearer ${KEY}x` })).not.toHaveProperty('broker')
    expect(await ask({})).not.toHaveProperty('broker')
  })
})
