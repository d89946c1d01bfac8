/** Subjects with white space of Unicode, which is not white space in NATS, from end to end. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { connect, defineEvents, event, type StandardSchema } from '../../sdk/index.ts'
import { eventually } from '../support/eventually.ts'
import { coreOf } from '../support/hub-core.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'
import { SseReader } from '../support/sse-reader.ts'
import { createToken, SECRET } from '../support/token.ts'
import { UNICODE_WHITE_SPACE } from '../support/white-space.ts'

const anything: StandardSchema = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) },
}
const events = defineEvents({
  'plain.{id}': anything,
  'kept.{id}': event(anything, { stream: 'KEPT' }),
  'asked.{id}': event(anything, { reply: anything }),
  'denied.{id}': anything,
})
/** White space in the middle of a token, at its beginning, and at its end. */
const ids = UNICODE_WHITE_SPACE.flatMap((space) => [`a${space}b`, `${space}a`, `a${space}`])
const STREAM = { name: 'KEPT', subjects: ['kept.*'], storage: 'memory' } as const

let nats: NatsServer
beforeAll(async () => {
  nats = await startNatsServer({
    jetstream: true,
    config: `authorization { users = [
      { user: all, password: all }
      { user: few, password: few, permissions { publish: { deny: "denied.>" }, subscribe: { deny: "denied.>" } } }
    ] }`,
  })
}, 60_000)
afterAll(() => nats?.[Symbol.asyncDispose]())

const withUser = () => nats.url.replace('nats://', 'nats://all:all@')

describe.each(['nats-server', 'embedded'] as const)('a bridge on %s', (broker) => {
  let server: BridgeServer
  beforeAll(async () => {
    server = await serve({ upstream: broker === 'embedded' ? 'embedded' : withUser(), auth: openToAll })
    await server.bridge.hub.opened
    await coreOf(server.bridge.hub).jetstream.createStream(STREAM)
  })
  afterAll(async () => {
    await coreOf(server.bridge.hub).jetstream.deleteStream(STREAM.name)
    await server?.close()
  })

  it('carries them live, stored, in requests, as Server-Sent Events and as history', async () => {
    await using bus = connect({ url: server.url, events })
    await using other = connect({ url: server.url, events })
    const states: string[] = []
    bus.status.subscribe(({ state }) => states.push(state))
    const plain: string[] = []
    const kept: string[] = []
    await bus.on('plain.{id}', ({ params }) => plain.push(params.id)).ready
    await bus.on('kept.{id}', ({ params }) => kept.push(params.id)).ready
    await bus.respond('asked.{id}', ({ params }) => params.id).ready
    const feed = new SseReader(await fetch(`${server.url}/events?subject=plain.*`))
    expect((await feed.next()).event).toBe('subscribed')

    for (const id of ids) {
      await other.publish('plain.{id}', { id }, 1)
      await other.publish('kept.{id}', { id }, 1)
      expect(await other.request('asked.{id}', { id }, 1)).toBe(id)
    }
    await eventually(() => plain.length >= ids.length && kept.length >= ids.length, { what: 'all events' })
    expect(plain).toEqual(ids)
    expect(kept).toEqual(ids)
    const sent = await feed.take(ids.length)
    expect(sent.map(({ data }) => JSON.parse(data).subject)).toEqual(ids.map((id) => `plain.${id}`))
    await feed.cancel()
    const page = await fetch(`${server.url}/history/kept.*?limit=500`)
    expect(page.status).toBe(200)
    const { messages } = (await page.json()) as { messages: Array<{ subject: string }> }
    expect(messages.map(({ subject }) => subject)).toEqual(ids.map((id) => `kept.${id}`))

    const again: string[] = []
    await other.on('kept.{id}', ({ params }) => again.push(params.id), { from: 'all' }).live
    expect(again).toEqual(ids)
    for (const id of ids) await other.on('kept.{id}', { id }, () => {}, { from: 'all' }).live
    expect(states).toEqual(['open'])
  }, 30_000)

  it('carries them as the names of channels', async () => {
    await using ada = connect({ url: server.url, events })
    await using bob = connect({ url: server.url, events })
    const meet = async (id: string) => {
      using room = await ada.presence(`room.${id}`)
      using same = await bob.presence(`room.${id}`)
      await same.join({ id })
      await eventually(() => room.members.size === 1, { what: `a member of ${JSON.stringify(id)}` })
    }
    // As many as a connection may have.
    for (let at = 0; at < ids.length; at += 20) await Promise.all(ids.slice(at, at + 20).map(meet))
    expect(ada.status.current.state).toBe('open')
  }, 30_000)
})

describe('a refusal', () => {
  it.each(['bridge', 'nats-server'])(
    'of a %s reaches the publish and the subscription that it is about',
    async (from) => {
      const server = await serve({ upstream: withUser(), auth: { secret: SECRET } })
      try {
        const grants = { allow: ['>'], deny: ['denied.>'] }
        const options =
          from === 'bridge'
            ? { url: server.url, token: await createToken({ pub: grants, subscribe: grants }) }
            : { url: nats.wsUrl, user: 'few', pass: 'few' }
        await using bus = connect({ ...options, events })
        for (const id of [...ids, 'a"b', 'a\\b', '\u{1f600}', '\u{e0001}']) {
          await expect(bus.publish('denied.{id}', { id }, 1), JSON.stringify(id)).rejects.toMatchObject({
            code: 'permission-denied',
          })
          const { ready } = bus.on('denied.{id}', { id }, () => {})
          await expect(ready, JSON.stringify(id)).rejects.toMatchObject({ code: 'permission-denied' })
          const queued = bus.on('denied.{id}', { id }, () => {}, { queue: `workers${id}` })
          await expect(queued.ready, `queue ${JSON.stringify(id)}`).rejects.toMatchObject({ code: 'permission-denied' })
        }
        expect(bus.status.current.state).toBe('open')
      } finally {
        await server.close()
      }
    },
    30_000,
  )
})
