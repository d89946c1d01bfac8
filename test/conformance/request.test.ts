/** Requests and responders through bus, transport and a real server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type Bus, connect, defineEvents, event, SpanwireError } from '../../sdk/index.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'

const events = defineEvents({
  'double.{who}': event(z.object({ n: z.number() }), { reply: z.object({ n: z.number() }) }),
})

describe('request and respond', () => {
  let server: NatsServer
  let bus: Bus<typeof events>
  const failed: unknown[] = []
  const invalid: unknown[] = []
  beforeAll(async () => {
    server = await startNatsServer()
    bus = connect({
      url: server.wsUrl,
      events,
      onError: (error) => failed.push(error),
      onInvalid: (error) => invalid.push(error),
    })
  }, 30_000)
  afterAll(async () => {
    await bus.close()
    await server[Symbol.asyncDispose]()
  })

  it('returns the validated reply of one member of a queue group', async () => {
    let answered = 0
    const respond = () =>
      bus.respond(
        'double.{who}',
        async ({ data }) => {
          answered++
          return { n: 2 * data.n }
        },
        { queue: 'q' },
      )
    using a = respond()
    using b = respond()
    await Promise.all([a.ready, b.ready])
    const answers = await Promise.all([1, 2, 3].map((n) => bus.request('double.{who}', { who: 'x' }, { n })))
    expect(answers).toEqual([{ n: 2 }, { n: 4 }, { n: 6 }])
    expect(answered).toBe(3)
  })

  it('hides the message of an error that a responder throws, except for responder-failed', async () => {
    using responder = bus.respond('double.{who}', ({ params }) => {
      if (params.who === 'spoken') throw new SpanwireError('responder-failed', 'Out of\r\nstock.')
      throw new Error('password is 1234')
    })
    await responder.ready
    await expect(bus.request('double.{who}', { who: 'x' }, { n: 1 })).rejects.toMatchObject({
      code: 'responder-failed',
      message: 'The responder failed.',
    })
    expect(failed.splice(0)).toMatchObject([{ message: 'password is 1234' }])
    await expect(bus.request('double.{who}', { who: 'spoken' }, { n: 1 })).rejects.toMatchObject({
      code: 'responder-failed',
      message: 'Out of stock.',
    })
    expect(failed).toEqual([])
  })

  it('does not send an invalid reply, and answers an invalid request with an error', async () => {
    using responder = bus.respond('double.{who}', () => ({ n: 'x' }) as never)
    await responder.ready
    await expect(bus.request('double.{who}', { who: 'x' }, { n: 1 })).rejects.toMatchObject({
      code: 'responder-failed',
    })
    expect(failed.splice(0)).toMatchObject([{ code: 'invalid-data' }])
    const raw = webSocket({ url: server.wsUrl })
    const answer = await raw.request('double.x', new TextEncoder().encode('{"n":"x"}'), { timeout: 5_000 })
    expect(new TextDecoder().decode(answer.headerBlock)).toMatch(/Nats-Service-Error-Code: 400/)
    expect(invalid.splice(0)).toMatchObject([{ code: 'invalid-data' }])
    await raw.close()
  })

  it('rejects without responders, without a reply in time, and when aborted', async () => {
    const request = (options: object) => bus.request('double.{who}', { who: 'x' }, { n: 1 }, options)
    await expect(request({})).rejects.toMatchObject({ code: 'no-responders' })
    using silent = bus.respond('double.{who}', () => new Promise<never>(() => {}))
    await silent.ready
    await expect(request({ timeout: 50 })).rejects.toMatchObject({ code: 'timeout' })
    await expect(request({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
  })
})
