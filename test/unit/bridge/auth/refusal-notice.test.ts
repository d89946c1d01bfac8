import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import type { AuthOptions } from '../../../../bridge/auth/authenticate.ts'
import type { LogEvent } from '../../../../bridge/log/log.ts'
import { bridgeFor, SECRET } from '../session/scripted-client.ts'

const NOW = Math.floor(Date.now() / 1_000)
const key = (secret: string) => new TextEncoder().encode(secret)

async function token(claims: Record<string, unknown>, secret = SECRET): Promise<string> {
  return new SignJWT({ nats: {}, ...claims }).setProtectedHeader({ alg: 'HS256' }).sign(key(secret))
}

/** Events of the log after these credentials were refused. */
async function refused(tokens: readonly string[], options: Partial<AuthOptions> = {}): Promise<LogEvent[]> {
  const events: LogEvent[] = []
  const { bridge } = bridgeFor({
    auth: { secret: SECRET, ...options },
    clock: () => NOW * 1_000,
    log: (event) => void events.push(event),
  })
  for (const one of tokens) {
    const headers = one === '' ? {} : { Authorization: `Bearer ${one}` }
    expect((await bridge.app.request('/publish/a', { method: 'POST', body: '1', headers })).status).toBe(401)
  }
  return events
}

describe('the log has the reason why credentials were refused', () => {
  it.each<[string, Record<string, unknown>, Partial<AuthOptions>, RegExp]>([
    ['expired', { exp: NOW - 90 }, {}, /^The token expired 90 s ago \(tolerance 5 s\)\.$/],
    ['not valid yet', { nbf: NOW + 600 }, {}, /^The token is not valid for another 600 s\.$/],
    ['audience', { aud: 'a' }, { audience: 'b' }, /^The audience of the token is "a", and auth\.audience is "b"\.$/],
    ['no issuer', {}, { issuer: 'b' }, /^The issuer of the token is not set, and auth\.issuer is "b"\.$/],
    ['a line end', { aud: 'a\nspanwire: all is well' }, { audience: 'b' }, /"a\\nspanwire: all is well"/],
  ])('%s', async (_, claims, options, text) => {
    const given = await token(claims)
    const events = await refused([given], options)
    expect(events).toHaveLength(1)
    expect(events[0]?.code).toBe('credentials-refused')
    expect(events[0]?.fields.reason).toMatch(text)
    for (const part of given.split('.')) expect(JSON.stringify(events)).not.toContain(part)
  })

  it('a signature that does not match, text that is not a token, and no credentials', async () => {
    const events = await refused([await token({}, 'another secret of thirty-two bytes!'), 'nonsense', ''])
    expect(events.map(({ message, fields }) => [message, fields.reason])).toEqual([
      ['The token is not valid.', 'The signature of the token does not match the key.'],
      ['The token is not valid.', '"Invalid Compact JWS"'],
      ['Credentials are required.', undefined],
    ])
  })
})
