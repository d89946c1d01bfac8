// @vitest-environment happy-dom
/** usePresence with a hub in memory. */
import { act, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createTestBridge, type TestBridge } from '../../../../bridge/testing/index.ts'
import { defineEvents, type Presence } from '../../../../sdk/index.ts'
import { createHooks, type UsePresenceOptions } from '../../../../sdk/react/index.ts'

const events = defineEvents({})
const { BusProvider, usePresence } = createHooks<typeof events>()

let bridge: TestBridge
let ended: Array<() => void>
beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  ended = []
  bridge = createTestBridge({ clock: 'fake' })
})
afterEach(async () => {
  await act(() => {
    for (const end of ended) end()
  })
  await bridge.close()
  vi.unstubAllGlobals()
})

const clientOf = (user: string) => bridge.connect({ events, as: { user } })
/** Advances beyond the 100 ms in which changes are batched, and renders. */
const moment = () => act(() => bridge.clock.advance(300))
const users = ({ members }: Pick<Presence, 'members'>) =>
  [...members.values()].map(({ user, state }) => (state === undefined ? user : `${user}:${state}`)).sort()

/** Renders a page of one user with several components in a room. */
async function page(user: string) {
  const bus = clientOf(user)
  const seen: Array<{ users: string[]; ready: boolean; error: string | undefined }> = []
  function Room(options: UsePresenceOptions & { channel?: string }) {
    const { channel = 'room', ...rest } = options
    const state = usePresence(channel, { ...rest })
    seen.push({ users: users(state), ready: state.ready, error: state.error?.code })
    return null
  }
  const root = createRoot(document.createElement('div'))
  ended.push(() => root.unmount())
  const render = (...rooms: Array<Parameters<typeof Room>[0]>) =>
    act(() =>
      root.render(
        <StrictMode>
          <BusProvider bus={bus}>
            {rooms.map((options, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the order does not change
              <Room key={i} {...options} />
            ))}
          </BusProvider>
        </StrictMode>,
      ),
    )
  return { seen, render }
}

it('returns the members, and is a member while it is mounted, with the state of the latest render', async () => {
  const eve = await clientOf('eve').presence('room')
  const changes: string[] = []
  eve.subscribe(({ joined, left }) => {
    for (const { state } of joined) changes.push(`+${state}`)
    for (const { user } of left) changes.push(`-${user}`)
  })
  const { seen, render } = await page('ada')
  expect(seen.length).toBe(0)
  await render({})
  await moment()
  expect(seen.at(-1)).toEqual({ users: [], ready: true, error: undefined })
  await render({ join: 'happy' })
  await moment()
  expect(seen.at(-1)?.users).toEqual(['ada:happy'])
  await render({ join: 'tired' })
  await moment()
  expect(seen.at(-1)?.users).toEqual(['ada:tired'])
  await render({})
  await moment()
  expect(seen.at(-1)?.users).toEqual([])
  // A changed state does not leave the channel, and neither does the second mount of StrictMode.
  expect(changes).toEqual(['+happy', '+tired', '-ada'])
  await render({ join: 'hidden', hidden: true })
  await moment()
  expect(users(eve)).toEqual([])
})

it('two components of a page are one member, until both are unmounted', async () => {
  const eve = await clientOf('eve').presence('room')
  const { render } = await page('ada')
  await render({ join: 1 }, { join: 2 })
  await moment()
  expect(users(eve)).toEqual(['ada:2'])
  await render({ join: 1 })
  await moment()
  expect(users(eve)).toEqual(['ada:1'])
  await render()
  await moment()
  expect(users(eve)).toEqual([])
  expect(bridge.stats.subscriptions).toBe(0)
})

it('a state that differs by a * only is a change', async () => {
  const eve = await clientOf('eve').presence('room')
  const { render } = await page('ada')
  for (const state of [{}, { sign: '*' }]) {
    await render({ join: state })
    await moment()
    expect([...eve.members.values()].map((member) => member.state)).toEqual([state])
  }
})

it('a refused channel sets error', async () => {
  const bus = bridge.connect({
    events,
    as: { user: 'eve', publish: [], subscribe: [{ filter: '$EDGE.PRESENCE.room' }] },
  })
  const errors: Array<string | undefined> = []
  function Rooms() {
    errors.splice(
      0,
      3,
      usePresence('secret').error?.code,
      usePresence('room', { join: true }).error?.code,
      usePresence('a b').error?.code,
    )
    return null
  }
  const root = createRoot(document.createElement('div'))
  ended.push(() => root.unmount())
  await act(() =>
    root.render(
      <BusProvider bus={bus}>
        <Rooms />
      </BusProvider>,
    ),
  )
  await moment()
  expect(errors.slice(0, 3)).toEqual(['permission-denied', 'permission-denied', 'invalid-argument'])
})
