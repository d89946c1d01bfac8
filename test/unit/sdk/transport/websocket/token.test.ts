import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { keepFresh, refreshAfter } from '../../../../../sdk/transport/websocket/token-refresh.ts'

const token = (claims: object) => `h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`
const NOW = 1_800_000_000_000
const inSeconds = (seconds: number) => token({ exp: NOW / 1_000 + seconds, text: 'ÿ~?' })

describe('refreshAfter', () => {
  it.each([
    [300, 270_000],
    [20, 15_000],
    [4, 2_000],
  ])('leaves time for a token of %i s', (seconds, wait) => expect(refreshAfter(inSeconds(seconds), NOW)).toBe(wait))

  it('never waits longer than a timer can', () => {
    expect(refreshAfter(inSeconds(1e9), NOW)).toBe(2 ** 31 - 1)
  })

  it.each([inSeconds(0), inSeconds(-5), token({}), token({ exp: 'soon' }), '', 'secret', 'a.b.c', 'a.bnVsbA.c'])(
    'plans nothing for %j',
    (text) => expect(refreshAfter(text, NOW)).toBeUndefined(),
  )
})

describe('a clock that is wrong', () => {
  const issued = (iat: number, exp: number) => token({ iat: NOW / 1_000 + iat, exp: NOW / 1_000 + exp })
  it.each([
    ['an hour ahead', -3_600, -3_300, 270_000],
    ['an hour behind', 3_600, 3_900, 270_000],
    ['right, and the token was issued before', -200, 100, 90_000],
    ['a minute ahead', -60, 240, 216_000],
    ['a minute behind', 60, 360, 270_000],
  ])('%s', (_, iat, exp, wait) => expect(refreshAfter(issued(iat, exp), NOW)).toBe(wait))
})

/** The token of a CONNECT. */
const tokenOf = (frame: Uint8Array): string =>
  JSON.parse(new TextDecoder().decode(frame).slice('CONNECT '.length)).auth_token

describe('keepFresh', () => {
  const LIFE = 300_000
  beforeEach(() => void vi.useFakeTimers({ now: NOW }))
  afterEach(() => void vi.useRealTimers())
  /** Issues tokens of 5 min by a clock that is behind this one by `ahead` ms. Each is given out once. */
  const issue = (ahead: number, age = 0) => {
    const at = (Date.now() - ahead - age) / 1_000
    return token({ iat: at, exp: at + LIFE / 1_000, n: Math.random() })
  }

  it.each([0, 3_600_000, -3_600_000, 290_000, 60_000, -60_000])(
    'with a clock that is %i ms ahead no token expires, and few are asked for',
    async (ahead) => {
      let current = issue(ahead)
      let received = Date.now()
      let asked = 0
      let expired = 0
      const stop = keepFresh(
        current,
        () => {
          asked++
          return issue(ahead)
        },
        (frame) => {
          const next = tokenOf(frame)
          if (Date.now() - received > LIFE) expired++
          current = next
          received = Date.now()
        },
      )
      await vi.advanceTimersByTimeAsync(3_600_000)
      expect(expired).toBe(0)
      expect(Date.now() - received).toBeLessThan(LIFE)
      expect(asked).toBeLessThan(16)
      stop()
    },
  )

  it('a token that was issued before it was given out is renewed before it expires', async () => {
    let asked = 0
    const stop = keepFresh(
      issue(0, 200_000),
      () => issue(0, ++asked % 2 ? 0 : 100_000),
      () => {},
    )
    await vi.advanceTimersByTimeAsync(99_000)
    expect(asked).toBe(1)
    await vi.advanceTimersByTimeAsync(LIFE - 1_000)
    expect(asked).toBe(2)
    await vi.advanceTimersByTimeAsync(200_000)
    expect(asked).toBe(3)
    stop()
  })

  it.each([
    ['throws', () => Promise.reject(new Error('The network is away.'))],
    ['hangs', () => new Promise<never>(() => {})],
    ['returns nothing', () => undefined as unknown as string],
    ['returns an empty string', () => ''],
    ['returns a server’s error', () => ({ error: 'unavailable' }) as unknown as string],
  ])('a refresh that %s is tried again until the token expires', async (_, fail) => {
    let asked = 0
    const used: string[] = []
    const stop = keepFresh(
      issue(0),
      () => (++asked < 3 ? fail() : issue(0)),
      (frame) => used.push(tokenOf(frame)),
    )
    await vi.advanceTimersByTimeAsync(LIFE)
    expect(asked).toBe(3)
    expect(used).toHaveLength(1)
    stop()
  })

  it('a refresh that never succeeds ends with the token', async () => {
    let asked = 0
    const stop = keepFresh(
      issue(0),
      () => {
        asked++
        return ''
      },
      () => {},
    )
    await vi.advanceTimersByTimeAsync(10 * LIFE)
    expect(asked).toBeGreaterThan(3)
    expect(asked).toBeLessThan(10)
    expect(vi.getTimerCount()).toBe(0)
    stop()
  })
})
