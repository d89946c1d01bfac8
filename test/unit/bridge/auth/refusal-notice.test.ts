import { SignJWT } from 'jose'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type AuthOptions, createAuthenticator } from '../../../../bridge/auth/authenticate.ts'
import { SECRET } from '../session/scripted-client.ts'

const NOW = 1_800_000_000
const key = (secret: string) => new TextEncoder().encode(secret)

async function token(claims: Record<string, unknown>, secret = SECRET): Promise<string> {
  return new SignJWT({ nats: {}, ...claims }).setProtectedHeader({ alg: 'HS256' }).sign(key(secret))
}

/** Lines of the log after these credentials were refused. */
async function refused(tokens: readonly string[], options: Partial<AuthOptions> = {}): Promise<string[]> {
  vi.useFakeTimers({ now: NOW * 1_000, toFake: ['Date'] })
  const lines: string[] = []
  vi.spyOn(console, 'warn').mockImplementation((line) => void lines.push(line))
  const authenticate = createAuthenticator({ secret: SECRET, ...options })
  for (const one of tokens) await expect(authenticate({ token: one })).rejects.toBeDefined()
  return lines
}

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('the log has the reason why credentials were refused', () => {
  it.each<[string, Record<string, unknown>, Partial<AuthOptions>, string]>([
    ['expired', { exp: NOW - 90 }, {}, 'its token expired 90 s ago (tolerance 5 s).'],
    ['not valid yet', { nbf: NOW + 60 }, {}, 'its token is not valid for another 60 s.'],
    ['audience', { aud: 'a' }, { audience: 'b' }, 'the audience of its token is "a", and auth.audience is "b".'],
    ['no issuer', {}, { issuer: 'b' }, 'the issuer of its token is not set, and auth.issuer is "b".'],
    ['a line end', { aud: 'a\nspanwire: all is well' }, { audience: 'b' }, '"a\\nspanwire: all is well"'],
  ])('%s', async (_, claims, options, text) => {
    const given = await token(claims)
    const [line = ''] = await refused([given], options)
    expect(line).toContain(`spanwire: A client was refused: `)
    expect(line).toContain(text)
    expect(line.split('\n').length).toBe(1)
    for (const part of given.split('.')) expect(line).not.toContain(part)
  })

  it('a signature that does not match, and text that is not a token', async () => {
    const lines = await refused([await token({}, 'another secret of thirty-two bytes!'), 'nonsense', ''])
    expect(lines).toEqual([
      'spanwire: A client was refused: the signature of its token does not match the key.',
      'spanwire: A client was refused: "Invalid Compact JWS"',
      'spanwire: A client was refused: "Credentials are required."',
    ])
  })

  it('each reason once a minute, ten in all, and how many were left out', async () => {
    const late = await Promise.all(Array.from({ length: 15 }, (_, i) => token({ exp: NOW - 10 - i })))
    const lines = await refused([...late, ...late])
    expect(lines.length).toBe(10)
    vi.setSystemTime((NOW + 60) * 1_000)
  })
})
