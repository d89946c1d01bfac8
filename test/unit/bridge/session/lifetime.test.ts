import { expect, it } from 'vitest'
import { defaultLimits } from '../../../../bridge/auth/limits.ts'
import { Lifetime } from '../../../../bridge/session/lifetime.ts'

const limits = { ...defaultLimits, pingInterval: 10_000 }
const session = { isKnown: true, expiresAt: undefined, subscriptions: 1, unansweredPings: 0 }

/** The events of each of the next seconds. */
function seconds(lifetime: Lifetime, from: number, until: number, state: (second: number) => Partial<typeof session>) {
  const due: string[] = []
  for (let second = from; second <= until; second++) {
    const next = lifetime.check(second * 1_000, limits, { ...session, ...state(second) })
    if (next) due.push(`${second} ${next === 'ping' ? next : next.text}`)
    if (next && next !== 'ping') break
  }
  return due
}

it('a client that sends bytes but no PONG is stale after two intervals', () => {
  const lifetime = new Lifetime(0)
  const due = seconds(lifetime, 1, 60, () => {
    // Such as +OK, or half a PUB.
    lifetime.received()
    return { unansweredPings: 1 }
  })
  expect(due).toEqual(['21 Stale Connection'])
})

it('a client that answers slowly is not stale, however much it is sent', () => {
  const lifetime = new Lifetime(0)
  const due = seconds(lifetime, 1, 200, (second) => {
    lifetime.received()
    // There is always a PING that it has not answered, because the bridge counts unread bytes with PINGs.
    if (second % 15 === 0) lifetime.pongReceived()
    return { unansweredPings: 2 }
  })
  expect(due).toEqual([])
})

it('a silent client gets a PING each interval, and is stale after two', () => {
  const lifetime = new Lifetime(0)
  let pings = 0
  const due = seconds(lifetime, 1, 60, () => ({ unansweredPings: pings++ < 10 ? 0 : 1 }))
  expect(due).toEqual(['10 ping', '20 ping', '30 ping', '31 Stale Connection'])
})
