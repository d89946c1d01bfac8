import { once } from 'node:events'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { http } from '../../../sdk/http.ts'
import { connect, defineEvents, event } from '../../../sdk/index.ts'
import { serveLocally } from '../../support/serve-locally.ts'

const events = defineEvents({ 'kept.{id}': event(z.object({}), { stream: 'KEPT' }), 'live.{id}': z.object({}) })

it('an answer that breaks off is tried again, with the same id', async () => {
  const ids: unknown[] = []
  await using server = await serveLocally(async (request, response) => {
    request.resume()
    await once(request, 'end')
    ids.push(request.headers['idempotency-key'])
    const body = JSON.stringify({ stream: 'KEPT', seq: 1 })
    response.writeHead(200, { 'Content-Length': body.length })
    if (ids.length === 1) {
      response.write(body.slice(0, 4), () => setTimeout(() => request.socket.destroy(), 20))
    } else {
      response.end(body)
    }
  })
  const bus = connect({ transport: http({ url: server.url }), events })
  expect(await bus.publish('kept.{id}', { id: '1' }, {})).toMatchObject({ seq: 1 })
  expect(ids).toEqual([ids[0], ids[0]])
})

it('who aborts while the answer comes hears aborted', async () => {
  await using server = await serveLocally((request, response) => {
    request.resume()
    response.writeHead(200, { 'Content-Length': 100 })
    response.write('{')
  })
  const over = new AbortController()
  const transport = http({ url: server.url })
  setTimeout(() => over.abort(), 100)
  await expect(
    transport.request('live.1', new Uint8Array(), { timeout: 5_000, signal: over.signal }),
  ).rejects.toMatchObject({ name: 'SpanwireError', code: 'aborted' })
})

it('drain of the transport itself sends what waits', async () => {
  await using server = await serveLocally((request, response) => {
    request.resume()
    request.on('end', () => setTimeout(() => response.end(), 50))
  })
  const transport = http({ url: server.url })
  const published = transport.publish('live.1', new Uint8Array()).then(
    () => 'sent',
    (error) => error.code,
  )
  await transport.drain()
  expect(await published).toBe('sent')
})
