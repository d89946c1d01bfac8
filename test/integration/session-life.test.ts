import { jwtVerify, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { signToken } from '../../bridge/auth/index.ts'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { connect, defineEvents } from '../../sdk/index.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'

const secret = 'a secret of at least thirty-two bytes'
const key = 'an-administrators-key-of-32-bytes'
const events = defineEvents({
  'news.{topic}': z.object({ n: z.number() }),
  'other.{topic}': z.object({ n: z.number() }),
})

let nats: NatsServer
let bridges: BridgeServer[]
const [here, there] = [() => bridges[0] as BridgeServer, () => bridges[1] as BridgeServer]

beforeAll(async () => {
  nats = await startNatsServer()
  bridges = await Promise.all(
    [1, 2].map(() => serve({ upstream: nats.url, auth: { secret, clockTolerance: 0 }, admin: { key } })),
  )
  for (const { bridge } of bridges) await bridge.hub.opened
})
afterAll(async () => {
  for (const server of bridges) await server.close()
  await nats[Symbol.asyncDispose]()
})

const tokenFor = (user: string, expiresIn = 60) =>
  signToken({ secret, user, events, publish: ['news.{topic}'], subscribe: ['news.{topic}'], expiresIn })

function order(what: string, body: object): Promise<Response> {
  return fetch(`${here().url}/admin/${what}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  })
}

describe('a token that expires', () => {
  it('is renewed on the live connection, without a lost event or a reconnect', async () => {
    let tokens = 0
    const states: string[] = []
    const bus = connect({
      url: here().url,
      events,
      token: () => {
        tokens++
        return tokenFor('ada', 2)
      },
    })
    bus.status.subscribe(({ state }) => states.push(state))
    const received: number[] = []
    const handle = bus.on('news.{topic}', ({ data }) => received.push(data.n))
    await handle.ready
    let sent = 0
    // Three lifetimes of a token.
    for (const end = Date.now() + 5_500; Date.now() < end; ) {
      await bus.publish('news.{topic}', { topic: 'a' }, { n: sent++ })
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await bus.flush()
    expect(received).toEqual([...Array(sent).keys()])
    expect(states).toEqual(['open'])
    expect(tokens).toBeGreaterThanOrEqual(4)
    await bus.close()
  })

  it('closes the connection if it is not renewed', async () => {
    const bus = connect({ url: here().url, events, token: await tokenFor('ada', 3) })
    await eventually(() => bus.status.current.state === 'open')
    await eventually(() => bus.status.current.state === 'closed')
    expect(bus.status.current.reason?.code).toBe('authentication-failed')
  })
})

describe('admin orders', () => {
  it('disconnect only the named user, on another bridge, at once', async () => {
    const ada = connect({ url: there().url, events, token: await tokenFor('ada') })
    const bob = connect({ url: there().url, events, token: await tokenFor('bob') })
    await Promise.all([ada.flush(), bob.flush()])
    const start = performance.now()
    expect((await order('disconnect', { user: 'ada' })).status).toBe(202)
    await eventually(() => ada.status.current.state === 'closed')
    expect(performance.now() - start).toBeLessThan(5_000)
    expect(ada.status.current.reason?.code).toBe('authentication-failed')
    await bob.flush()
    await bob.close()
  })

  it('end only the named subscription of a user', async () => {
    const bus = connect({ url: there().url, events, token: await tokenFor('ada'), onError: () => {} })
    const ended = bus.subscribe('news.{topic}', { topic: 'a' })
    const stays = bus.subscribe('news.{topic}', { topic: 'b' })
    await Promise.all([ended.ready, stays.ready])
    expect((await order('unsubscribe', { user: 'ada', filter: 'news.a' })).status).toBe(202)
    await expect(ended.next()).rejects.toMatchObject({ code: 'permission-denied' })
    await bus.publish('news.{topic}', { topic: 'b' }, { n: 1 })
    expect((await stays.next()).value?.data).toEqual({ n: 1 })
    await bus.close()
  })
})

describe('a token of signToken', () => {
  it('is a JWT that other libraries verify', async () => {
    const { payload } = await jwtVerify(await tokenFor('ada'), new TextEncoder().encode(secret))
    expect(payload).toMatchObject({ sub: 'ada', nats: { pub: { allow: ['news.*'] }, sub: { allow: ['news.*'] } } })
    // The bridge also accepts tokens that other libraries signed.
    const foreign = await new SignJWT({ sub: 'bob', nats: payload.nats })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret))
    const bus = connect({ url: here().url, events, token: foreign })
    await bus.publish('news.{topic}', { topic: 'a' }, { n: 1 })
    await expect(bus.publish('other.{topic}', { topic: 'a' }, { n: 1 })).rejects.toMatchObject({
      code: 'permission-denied',
    })
    await bus.close()
  })
})
