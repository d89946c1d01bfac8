import { describe, expect, it } from 'vitest'
import { refreshAfter } from '../../../../../sdk/transport/websocket/token-refresh.ts'

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
