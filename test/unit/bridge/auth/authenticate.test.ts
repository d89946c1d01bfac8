import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAuthenticator } from '../../../../bridge/auth/authenticate.ts'
import { bridgeFor, ScriptedClient, SECRET } from '../session/scripted-client.ts'

const secretKey = new TextEncoder().encode(SECRET)
const jwt = (claims: Record<string, unknown>, key: CryptoKey | Uint8Array, header: { alg: string; kid?: string }) =>
  new SignJWT(claims).setProtectedHeader(header).sign(key)
const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const refused = { code: 'authentication-failed' }

describe('tokens by public key', () => {
  it.each(['RS256', 'ES256', 'EdDSA'])('are accepted with a PEM and with a JWK (%s)', async (alg) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
    const token = await jwt({ sub: 'ada' }, privateKey, { alg })
    const pem = createAuthenticator({ publicKey: await exportSPKI(publicKey), algorithms: [alg] })
    const jwk = createAuthenticator({ publicKey: { ...(await exportJWK(publicKey)), alg } })
    expect((await pem({ token })).user).toBe('ada')
    expect((await jwk({ token })).user).toBe('ada')
  })

  it('are rejected with HS256 and the public key as secret', async () => {
    const { publicKey } = await generateKeyPair('RS256', { extractable: true })
    const pem = await exportSPKI(publicKey)
    const forged = await jwt({ sub: 'mallory' }, new TextEncoder().encode(pem), { alg: 'HS256' })
    await expect(
      createAuthenticator({ publicKey: pem, algorithms: ['RS256'] })({ token: forged }),
    ).rejects.toMatchObject(refused)
    expect(() => createAuthenticator({ publicKey: pem, algorithms: ['HS256'] })).toThrow(
      'is not valid with a public key',
    )
  })
})

describe('tokens by secret', () => {
  const authenticate = createAuthenticator({ secret: SECRET, issuer: 'us', audience: 'bridge' })
  const good = { sub: 'ada', iss: 'us', aud: 'bridge' }

  it('are accepted', async () => {
    expect((await authenticate({ token: await jwt(good, secretKey, { alg: 'HS256' }) })).user).toBe('ada')
    expect((await authenticate({ jwt: await jwt(good, secretKey, { alg: 'HS256' }) })).user).toBe('ada')
  })

  it.each([
    ['algorithm none', `${base64url({ alg: 'none' })}.${base64url(good)}.`],
    ['no signature', `${base64url({ alg: 'HS256' })}.${base64url(good)}.`],
    ['garbage', 'garbage'],
    ['an empty token', ''],
  ])('are rejected with %s', (_, token) => expect(authenticate({ token })).rejects.toMatchObject(refused))

  it.each([
    ['another issuer', { ...good, iss: 'them' }],
    ['another audience', { ...good, aud: 'shop' }],
    ['no issuer', { sub: 'ada', aud: 'bridge' }],
    ['an expiry in the past', { ...good, exp: 1 }],
    ['a start in the future', { ...good, nbf: 4_000_000_000 }],
  ])('are rejected with %s', async (_, claims) => {
    await expect(authenticate({ token: await jwt(claims, secretKey, { alg: 'HS256' }) })).rejects.toMatchObject(refused)
  })

  it('are rejected with another algorithm of the same key', async () => {
    const token = await jwt(good, new Uint8Array(64).fill(7), { alg: 'HS512' })
    const options = { secret: new Uint8Array(64).fill(7) }
    await expect(createAuthenticator(options)({ token })).rejects.toMatchObject(refused)
    expect((await createAuthenticator({ ...options, algorithms: ['HS512'] })({ token })).user).toBe('ada')
  })

  it('are accepted with the old and the new secret during rotation', async () => {
    const next = 'the next secret of at least thirty-two bytes'
    const rotating = createAuthenticator({ secret: [next, SECRET] })
    expect((await rotating({ token: await jwt(good, secretKey, { alg: 'HS256' }) })).user).toBe('ada')
    expect((await rotating({ token: await jwt(good, new TextEncoder().encode(next), { alg: 'HS256' }) })).user).toBe(
      'ada',
    )
  })

  it('are not part of the error, its cause or its stack', async () => {
    const token = `${await jwt(good, new Uint8Array(32), { alg: 'HS256' })}`
    const error = await authenticate({ token }).catch((thrown) => thrown)
    const everything = JSON.stringify([error.message, error.stack, String(error.cause), error.cause?.stack, error])
    for (const part of token.split('.')) expect(everything).not.toContain(part)
  })

  it.each([
    [{}, 'would refuse all clients'],
    [{ secret: 'short' }, 'at least 32'],
    [{ secret: SECRET, jwksUrl: 'https://keys.example.com' }, 'exactly one'],
    [{ secret: SECRET, algorithms: ['RS256'] }, 'is not valid with a shared secret'],
    [{ accounts: ['UABC'] }, 'not the public key of an account'],
    [
      { anonymous: { publish: { allow: ['a b'], deny: [] }, subscribe: { allow: [], deny: [] } } },
      'not a valid subject filter',
    ],
  ])('reject the options %j', (options, message) => {
    expect(() => createAuthenticator(options)).toThrow(message)
  })
})

describe('tokens by JWKS', () => {
  let server: Server | undefined
  afterEach(() => server?.close())

  async function serveKeys(keys: object[]) {
    const requests = { count: 0 }
    server = createServer((_, response) => {
      requests.count++
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ keys }))
    })
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
    return { requests, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` }
  }

  it('are accepted with one request for the key set', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const { requests, url } = await serveKeys([{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: '1' }])
    const authenticate = createAuthenticator({ jwksUrl: url })
    const token = await jwt({ sub: 'ada' }, privateKey, { alg: 'ES256', kid: '1' })
    for (let i = 0; i < 5; i++) expect((await authenticate({ token })).user).toBe('ada')
    expect(requests.count).toBe(1)
  })

  it('fail with upstream-unavailable while the key set is unavailable', async () => {
    const { privateKey } = await generateKeyPair('ES256')
    const authenticate = createAuthenticator({ jwksUrl: 'http://127.0.0.1:1/keys' })
    const token = await jwt({ sub: 'ada' }, privateKey, { alg: 'ES256', kid: '1' })
    await expect(authenticate({ token })).rejects.toMatchObject({ code: 'upstream-unavailable' })
  })

  it('accept no client and close no client while the key set is unavailable', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const { url } = await serveKeys([{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: '1' }])
    const { bridge } = bridgeFor({ auth: { jwksUrl: url } })
    const nats = { sub: { allow: ['a'] }, pub: { allow: ['a'] } }
    const auth_token = await jwt({ sub: 'ada', nats }, privateKey, { alg: 'ES256', kid: '1' })
    const client = await ScriptedClient.connected(bridge, { auth_token })
    await new Promise((resolve) => server?.close(resolve))
    // An unknown key makes jose fetch the set again, which is unavailable.
    const renewed = await jwt({ sub: 'ada', nats }, privateKey, { alg: 'ES256', kid: 'new' })
    vi.useFakeTimers({ now: Date.now() + 60_000, toFake: ['Date'] })
    client.send(`SUB a 1\r\nCONNECT {"auth_token":"${renewed}"}\r\nPUB a 0\r\n\r\nPING\r\n`)
    expect(await client.until('PONG')).toBe('MSG a 1 0\r\n\r\nPONG\r\n')
    const stranger = await ScriptedClient.connected(bridge, { auth_token: renewed })
    expect(stranger.closes).toEqual([{ code: 1008, reason: 'Authorization Violation' }])
    vi.useRealTimers()
  })

  it('are rejected if a key of the set is a shared secret', async () => {
    const { url } = await serveKeys([{ kty: 'oct', k: Buffer.from(secretKey).toString('base64url'), kid: '1' }])
    const token = await jwt({ sub: 'mallory' }, secretKey, { alg: 'HS256', kid: '1' })
    await expect(createAuthenticator({ jwksUrl: url })({ token })).rejects.toMatchObject(refused)
  })
})
