import { Hono } from 'hono'
import { describe, expect, it, vi } from 'vitest'
import { Budget } from '../../../../bridge/budget/budget.ts'
import { readBody } from '../../../../bridge/http/body.ts'
import { toProblem } from '../../../../bridge/http/problem.ts'
import { RequestMemory } from '../../../../bridge/http/request-memory.ts'

const MIB = 1024 * 1024

/** An app that responds with the size of a body of up to 1,000,000 bytes. */
function appFor({ connection = MIB, user = MIB, hub = MIB, timeout = 10_000 } = {}) {
  const budget = new Budget({ connection, user, hub })
  const app = new Hono()
  app.post('/:user', async (c) => {
    const memory = new RequestMemory(budget, c.req.param('user'))
    try {
      return c.text(`${(await readBody(c, { max: 1_000_000, timeout, memory })).length}`)
    } finally {
      memory.close()
    }
  })
  app.onError((error, c) => toProblem(c, error))
  return { app, budget }
}

/** A body whose chunks a test sends. */
function slowBody() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const stream = new ReadableStream<Uint8Array>({
    start: (own) => {
      controller = own
    },
  })
  return {
    init: { method: 'POST', body: stream, duplex: 'half' } as RequestInit,
    send: (bytes: number) => controller?.enqueue(new Uint8Array(bytes)),
    end: () => controller?.close(),
  }
}

describe('readBody', () => {
  it('reads a body of any size up to the maximum, in any chunks', async () => {
    const { app, budget } = appFor()
    for (const size of [0, 1, 65_536, 65_537, 1_000_000]) {
      const body = new Uint8Array(size)
      expect(await (await app.request('/ada', { method: 'POST', body })).text()).toBe(`${size}`)
      const headers = { 'Content-Length': `${size}` }
      expect(await (await app.request('/ada', { method: 'POST', body, headers })).text()).toBe(`${size}`)
    }
    const slow = slowBody()
    const response = app.request('/ada', slow.init)
    for (let i = 0; i < 1_000; i++) slow.send(7)
    slow.end()
    expect(await (await response).text()).toBe('7000')
    expect(budget.bytes).toBe(0)
  })

  it('rejects a larger body: at once if its length is known, else while it arrives', async () => {
    const { app } = appFor()
    const announced = slowBody()
    const headers = { 'Content-Length': '1000001' }
    expect((await app.request('/ada', { ...announced.init, headers })).status).toBe(413)
    const slow = slowBody()
    const response = app.request('/ada', slow.init)
    slow.send(1_000_001)
    expect((await response).status).toBe(413)
    expect((await response).headers.get('Connection')).toBe('close')
  })

  it('rejects a body that takes too long', async () => {
    const { app, budget } = appFor({ timeout: 30 })
    const slow = slowBody()
    const response = app.request('/ada', slow.init)
    slow.send(1)
    expect([(await response).status, (await response).headers.get('Connection')]).toEqual([408, 'close'])
    expect(budget.bytes).toBe(0)
  })

  it.each([
    ['Content-Encoding', 'gzip'],
    ['Content-Encoding', 'identity, gzip'],
    ['Transfer-Encoding', 'gzip, chunked'],
  ])('rejects a body with %s: %s', async (name, value) => {
    const response = await appFor().app.request('/ada', { method: 'POST', body: 'x', headers: { [name]: value } })
    expect([response.status, response.headers.get('Accept-Encoding')]).toEqual([415, 'identity'])
  })

  it('rejects bodies over the share of a user, and accepts bodies of others', async () => {
    const { app, budget } = appFor({ user: 200_000 })
    const [first, second] = [slowBody(), slowBody()]
    const held = app.request('/mallory', first.init)
    first.send(100_000)
    await vi.waitFor(() => expect(budget.bytes).toBeGreaterThan(0))
    const refused = app.request('/mallory', second.init)
    second.send(150_000)
    const response = await refused
    expect([response.status, (await response.json()).code]).toEqual([429, 'rate-limited'])
    expect((await app.request('/ada', { method: 'POST', body: new Uint8Array(150_000) })).status).toBe(200)
    first.end()
    expect((await held).status).toBe(200)
    expect(budget.bytes).toBe(0)
  })

  it('closes the request with the largest body if the hub is full', async () => {
    const { app, budget } = appFor({ hub: 300_000 })
    const large = slowBody()
    const evicted = app.request('/mallory', large.init)
    large.send(250_000)
    await vi.waitFor(() => expect(budget.bytes).toBeGreaterThan(0))
    expect((await app.request('/ada', { method: 'POST', body: new Uint8Array(100_000) })).status).toBe(200)
    const response = await evicted
    expect([response.status, (await response.json()).code]).toEqual([503, 'upstream-unavailable'])
  })
})
