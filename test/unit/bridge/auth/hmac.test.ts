import { CompactSign, SignJWT } from 'jose'
import { afterEach, expect, it, vi } from 'vitest'
import { createHs256 } from '../../../../bridge/auth/hmac.ts'
import { createTokenVerifier } from '../../../../bridge/auth/token-verifier.ts'
import { SECRET } from '../../../support/token.ts'

afterEach(() => vi.unstubAllGlobals())

const key = new TextEncoder().encode(SECRET)
const claims = { sub: 'ada', nats: { sub: { allow: ['a.{{sub}}'] } } }
const now = () => Math.floor(Date.now() / 1_000)
const signed = (alg = 'HS256', secret = key) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg })
    .setExpirationTime(now() + 60)
    .sign(secret)
const options = { secret: SECRET, issuer: 'app', audience: 'bridge', requireExpiration: true }
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const raw = (payload: Uint8Array, header: object = {}) =>
  new CompactSign(payload).setProtectedHeader({ alg: 'HS256', ...header }).sign(key, { crit: { x: true } } as never)
const full = (more: object) => ({ ...claims, iss: 'app', aud: 'bridge', exp: now() + 60, ...more })

/** Tokens of all kinds, the last character of a signature and a part among them. */
async function tokens(): Promise<Record<string, string>> {
  const good = await raw(text(full({})))
  const [header, payload, signature = ''] = good.split('.')
  const none = btoa('{"alg":"none"}').replaceAll('=', '')
  return {
    good,
    typed: await raw(text(full({})), { typ: 'JWT', kid: '1' }),
    several: await raw(text(full({ aud: ['other', 'bridge'] }))),
    expired: await raw(text(full({ exp: now() - 60 }))),
    tolerated: await raw(text(full({ exp: now() - 2 }))),
    early: await raw(text(full({ nbf: now() + 60 }))),
    endless: await raw(text(full({ exp: undefined }))),
    'exp is a text': await raw(text(full({ exp: '1' }))),
    issuer: await raw(text(full({ iss: 'other' }))),
    audience: await raw(text(full({ aud: 'other' }))),
    'not an object': await raw(text([1])),
    'not JSON': await raw(new TextEncoder().encode('{')),
    'another algorithm': await signed('HS512', new Uint8Array(64).fill(1)),
    'another secret': await signed('HS256', new Uint8Array(32).fill(1)),
    critical: await raw(text(full({})), { crit: ['x'], x: 1 }),
    'no algorithm': `${none}.${payload}.`,
    'no algorithm, signed': `${none}.${payload}.${signature}`,
    'no signature': `${header}.${payload}.`,
    'a changed signature': `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
    'bytes beyond ASCII': `${header}.${payload}.${'é'.repeat(43)}`,
    'a changed claim': `${header}.${btoa(JSON.stringify(full({ sub: 'eve' })))}.${signature}`,
    'four parts': `${good}.x`,
    'two parts': `${header}.${payload}`,
    empty: '',
  }
}

it('tokens have the same outcome with and without the crypto module of Node', async () => {
  const outcomes = async () => {
    const verify = createTokenVerifier(options, createHs256)
    const all: Record<string, unknown> = {}
    for (const [name, token] of Object.entries(await tokens()))
      all[name] = await verify(token).catch((error) => [error.code, (error.cause as { code?: string }).code])
    return all
  }
  const quick = await outcomes()
  vi.stubGlobal('process', { ...process, getBuiltinModule: undefined })
  expect(createHs256(key)).toBeUndefined()
  const slow = await outcomes()
  for (const [name, outcome] of Object.entries(quick)) {
    const other = slow[name]
    // Two runs may be a second apart.
    if (Array.isArray(outcome)) expect([name, outcome]).toEqual([name, other])
    else
      expect([name, { ...(outcome as object), expiresAt: 0 }]).toEqual([name, { ...(other as object), expiresAt: 0 }])
  }
  expect(Object.keys(quick).filter((name) => !Array.isArray(quick[name]))).toEqual([
    'good',
    'typed',
    'several',
    'tolerated',
  ])
})

it('judges tokens with the signature of its own secret, with HS256 and no extension, only', async () => {
  const verify = createHs256(key)
  const judged = (token: string) => {
    try {
      return verify?.(token, {}) !== undefined
    } catch {
      return true
    }
  }
  const all = await tokens()
  const accepted = Object.entries(all).flatMap(([name, token]) => (judged(token) ? name : []))
  expect(accepted).toEqual([
    'good',
    'typed',
    'several',
    'expired',
    'tolerated',
    'early',
    'endless',
    'exp is a text',
    'issuer',
    'audience',
    'not an object',
    'not JSON',
  ])
})
