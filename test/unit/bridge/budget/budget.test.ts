import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Account, Budget, mostExpensive } from '../../../../bridge/budget/budget.ts'

const limits = { connection: 100, user: 150, hub: 300 }

/** An owner whose bytes a test sets, and that holds nothing any more once it was evicted. */
class Owner {
  held = 0
  evictedFor: string | undefined

  measure(): number {
    return this.held
  }

  evict(shortage: string): void {
    this.evictedFor = shortage
    this.held = 0
  }
}

function open(budget: Budget, user: string): { owner: Owner; account: Account; hold(bytes: number): void } {
  const owner = new Owner()
  const account = budget.open(user, owner)
  const hold = (bytes: number) => {
    owner.held = bytes
    account.refresh()
  }
  return { owner, account, hold }
}

const turn = () => new Promise((resolve) => setTimeout(resolve))

describe('an account that reports', () => {
  it('more than a connection may hold is evicted, later', async () => {
    const { owner, hold } = open(new Budget(limits), 'ada')
    hold(101)
    expect(owner.evictedFor).toBeUndefined()
    await turn()
    expect(owner.evictedFor).toBe('connection')
  })

  it('takes its user over its share: the most expensive of that user pays, and no other user', async () => {
    const budget = new Budget(limits)
    const [small, large, other] = [open(budget, 'mallory'), open(budget, 'mallory'), open(budget, 'ada')]
    other.hold(100)
    large.hold(90)
    small.hold(80)
    await turn()
    expect([small, large, other].map(({ owner }) => owner.evictedFor)).toEqual([undefined, 'user', undefined])
    expect(budget.bytes).toBe(180)
  })

  it('takes the hub over its limit: the most expensive account of the most expensive user pays', async () => {
    const budget = new Budget(limits)
    const mallory = [open(budget, 'mallory'), open(budget, 'mallory')]
    const others = ['ada', 'bob'].map((user) => open(budget, user))
    for (const one of mallory) one.hold(70)
    for (const one of others) one.hold(90)
    await turn()
    expect(mallory.filter(({ owner }) => owner.evictedFor === 'hub').length).toBe(1)
    expect(others.map(({ owner }) => owner.evictedFor)).toEqual([undefined, undefined])
  })

  it('is measured again before it is evicted: bytes that its client has read meanwhile do not count', async () => {
    const budget = new Budget(limits)
    const [first, second] = [open(budget, 'ada'), open(budget, 'ada')]
    first.hold(90)
    second.hold(80)
    first.owner.held = 10
    await turn()
    expect([first, second].map(({ owner }) => owner.evictedFor)).toEqual([undefined, undefined])
    expect(budget.bytes).toBe(90)
  })
})

describe('an account that requests room', () => {
  it('is refused by the limit that it would exceed', () => {
    const budget = new Budget(limits)
    const [first, second] = [open(budget, 'ada'), open(budget, 'ada')]
    expect(first.account.take(101)).toBe('connection')
    expect(first.account.take(80)).toBeUndefined()
    expect(second.account.take(80)).toBe('user')
    first.account.give(80)
    expect(second.account.take(80)).toBeUndefined()
  })

  it('gets room from a more expensive account of its own user', () => {
    const budget = new Budget(limits)
    const [small, large] = [open(budget, 'ada'), open(budget, 'ada')]
    large.hold(100)
    expect(small.account.take(60)).toBeUndefined()
    expect(large.owner.evictedFor).toBe('user')
  })

  it('gets room from the most expensive user, and is refused if that is its own', () => {
    const budget = new Budget(limits)
    const mallory = [open(budget, 'mallory'), open(budget, 'mallory')]
    for (const one of mallory) expect(one.account.take(75)).toBeUndefined()
    const ada = open(budget, 'ada')
    expect(ada.account.take(100)).toBeUndefined()
    const bob = open(budget, 'bob')
    expect(bob.account.take(60)).toBeUndefined()
    expect(mallory.filter(({ owner }) => owner.evictedFor === 'hub').length).toBe(1)
    const alone = new Budget({ ...limits, user: 1_000 })
    const [only, more] = [open(alone, 'ada'), open(alone, 'ada')]
    for (let i = 0; i < 3; i++) expect(open(alone, 'ada').account.take(90)).toBeUndefined()
    expect(only.account.take(30)).toBeUndefined()
    expect(more.account.take(95)).toBe('hub')
  })
})

it('a cache is dropped before an account has to pay for a full hub, and counts for no user', async () => {
  const budget = new Budget(limits)
  const shed = () => cache.take(-cached)
  const cache = budget.reserve(200, () => shed())
  let cached = 180
  cache.take(cached)
  expect([cache.isOver, cache.hasRoomFor(20), cache.hasRoomFor(21)]).toEqual([false, true, false])
  const [ada, bob] = [open(budget, 'ada'), open(budget, 'bob')]
  ada.hold(90)
  bob.hold(90)
  expect([budget.isFull, cache.isOver, cache.hasRoomFor(1)]).toEqual([true, true, false])
  await turn()
  expect([budget.bytes, ada.owner.evictedFor, bob.owner.evictedFor]).toEqual([180, undefined, undefined])
  cached = 0
  cache.take(100)
  cached = 100
  expect(bob.account.take(50)).toBe('connection')
  expect(open(budget, 'carl').account.take(90)).toBeUndefined()
  expect(budget.bytes).toBe(270)
})

it('a client that authenticates moves its bytes to its user', async () => {
  const budget = new Budget(limits)
  const [client, other] = [open(budget, 'unidentified'), open(budget, 'ada')]
  client.hold(90)
  other.hold(80)
  client.account.move('ada')
  await turn()
  expect(client.owner.evictedFor).toBe('user')
})

it('sums are right after any operations, and no limit is exceeded for longer than a turn', async () => {
  const action = fc.record({
    user: fc.constantFrom('a', 'b', 'c', 'd'),
    account: fc.nat(5),
    bytes: fc.nat(120),
    what: fc.constantFrom('hold', 'take', 'give', 'close', 'move'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      const budget = new Budget(limits)
      const opened: Array<ReturnType<typeof open> & { taken: number; isClosed: boolean }> = []
      for (const { user, account: index, bytes, what } of actions) {
        const one = opened[index] ?? { ...open(budget, user), taken: 0, isClosed: false }
        opened[index] = one
        if (what === 'hold' && !one.owner.evictedFor) one.hold(bytes)
        else if (what === 'take' && !one.account.take(bytes)) one.taken += bytes
        else if (what === 'give' && !one.owner.evictedFor) {
          one.account.give(one.taken)
          one.taken = 0
        } else if (what === 'close') {
          one.account.close()
          one.isClosed = true
        } else if (what === 'move') one.account.move(user)
      }
      await turn()
      const live = opened.filter((one) => one && !one.isClosed && !one.owner.evictedFor)
      const sum = live.reduce((all, one) => all + one.owner.held + one.taken, 0)
      expect(budget.bytes).toBe(sum)
      expect(budget.bytes).toBeLessThanOrEqual(limits.hub)
      for (const { account } of live) expect(account.share.bytes).toBeLessThanOrEqual(limits.user)
    }),
    { numRuns: 500 },
  )
})

it('the most expensive is the one that holds most', () => {
  expect(mostExpensive([])).toBeUndefined()
  expect(mostExpensive([{ bytes: 0 }])).toBeUndefined()
  expect(mostExpensive([{ bytes: 1 }, { bytes: 3 }, { bytes: 2 }])).toEqual({ bytes: 3 })
})
