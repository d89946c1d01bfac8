import { afterAll, beforeAll, it } from 'vitest'
import { connect, defineEvents, type Presence } from '../../sdk/index.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { createToken, SECRET } from '../support/token.ts'
import { type RunningWorker, startWorker } from '../support/workerd.ts'

let server: NatsServer
let worker: RunningWorker

beforeAll(async () => {
  server = await startNatsServer()
  worker = await startWorker({ secret: SECRET, upstream: server.url, main: 'test/workerd/evictable.ts' })
}, 60_000)
afterAll(async () => {
  await worker?.stop()
  await server?.[Symbol.asyncDispose]()
})

it('a hub restores the members of a channel after its eviction', async () => {
  const allow = ['$EDGE.PRESENCE.room']
  const open = async (sub: string) =>
    connect({
      url: worker.url,
      events: defineEvents({}),
      token: await createToken({ sub, pub: { allow }, subscribe: { allow } }),
    })
  await using ada = await open('ada')
  await using bob = await open('bob')
  const [atAda, atBob] = [await ada.presence('room'), await bob.presence('room')]
  const users = ({ members }: Presence) => [...members.values()].map(({ user }) => user).sort()
  const both = () => eventually(() => [atAda, atBob].every((one) => users(one).join() === 'ada,bob'), { what: 'both' })
  await atAda.join({ at: 1 })
  await atBob.join()
  await both()
  await fetch(`${worker.url}/test/hub-1/let-go`, { method: 'POST' })
  await worker.evict()
  await both()
  // The evicted hub connects to NATS again. Until then it can't confirm.
  await eventually(() =>
    atAda.join({ at: 2 }).then(
      () => true,
      () => false,
    ),
  )
  await eventually(() =>
    [...atBob.members.values()].some(({ state }) => (state as { at?: number } | undefined)?.at === 2),
  )
}, 40_000)
