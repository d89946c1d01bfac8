/** `http()` with interrupted answers and slow token functions. */
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { connect, defineEvents } from '../../../../../sdk/index.ts'
import { http } from '../../../../../sdk/transport/http/index.ts'
import { serveLocally } from '../../../../support/serve-locally.ts'

const NOTHING = new Uint8Array()

describe('a response', () => {
  it('that is cut off is requested again with the same id, for an event with a stream', async () => {
    const ids: unknown[] = []
    await using server = await serveLocally(async (request, response) => {
      request.resume()
      await once(request, 'end')
      ids.push(request.headers['idempotency-key'])
      const body = JSON.stringify({ stream: 'KEPT', seq: 1 })
      response.writeHead(200, { 'Content-Length': body.length })
      if (ids.length > 1) response.end(body)
      else response.write(body.slice(0, 4), () => request.socket.end())
    })
    const events = defineEvents({ 'kept.{id}': z.object({}) }, { stream: 'KEPT' })
    const bus = connect({ transport: http({ url: server.url }), events })
    expect(await bus.publish('kept.{id}', { id: '1' }, {}, { id: 'own' })).toMatchObject({ seq: 1 })
    expect(ids).toEqual(['own', 'own'])
  })

  it('in progress rejects with aborted when its request is aborted', async () => {
    await using server = await serveLocally((request, response) => {
      request.resume()
      response.writeHead(200, { 'Content-Length': 100 })
      response.write('{')
    })
    const abort = new AbortController()
    const transport = http({
      url: server.url,
      async fetch(url, init) {
        const response = await fetch(url, init)
        abort.abort()
        return response
      },
    })
    const request = transport.request('a', NOTHING, { timeout: 20_000, signal: abort.signal })
    await expect(request).rejects.toMatchObject({ name: 'SpanwireError', code: 'aborted' })
  })
})

describe('a publish with a token function that never settles', () => {
  const token = () => new Promise<never>(() => {})
  const url = 'http://127.0.0.1:1'

  it('rejects when it is aborted', async () => {
    const abort = new AbortController()
    const published = http({ url, token }).publish('a', NOTHING, { signal: abort.signal })
    abort.abort()
    await expect(published).rejects.toMatchObject({ code: 'aborted' })
  })

  it('rejects after the timeout', async () => {
    const published = http({ url, token, timeout: 20 }).publish('a', NOTHING)
    await expect(published).rejects.toMatchObject({ code: 'timeout' })
  })
})

it('flush resolves after the bridge has answered earlier publishes', async () => {
  const { promise: gate, resolve: release } = Promise.withResolvers<void>()
  let answered = false
  const transport = http({
    url: 'http://bridge',
    async fetch() {
      await gate
      answered = true
      return new Response()
    },
  })
  const published = transport.publish('a', NOTHING)
  const flushed = transport.flush().then(() => answered)
  release()
  expect(await flushed).toBe(true)
  await published
})

it.each(['bridge.example.com', 'nats://127.0.0.1:4222', 'wss://bridge.example.com', ''])(
  '%j is not a valid URL of a bridge',
  (url) => {
    expect(() => http({ url })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  },
)
