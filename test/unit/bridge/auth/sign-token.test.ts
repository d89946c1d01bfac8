import { Hono } from 'hono'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createAuthenticator } from '../../../../bridge/auth/authenticate.ts'
import { signToken, tokenEndpoint } from '../../../../bridge/auth/index.ts'
import { defineEvents } from '../../../../sdk/index.ts'
import { SECRET } from '../session/scripted-client.ts'

const events = defineEvents({
  'orders.{orderId}.created': z.object({ total: z.number() }),
  'chat.{room}.message': z.object({ text: z.string() }),
  'logs.{path...}': z.string(),
})

describe('signToken', () => {
  it('grants events of a contract, and the bridge reads the same permissions', async () => {
    const token = await signToken({
      secret: SECRET,
      user: 'ada',
      events,
      publish: [['chat.{room}.message', { room: 'lobby' }], { filter: 'presence.{{sub}}' }],
      subscribe: ['orders.{orderId}.created', 'logs.{path...}'],
      deny: { subscribe: [['orders.{orderId}.created', { orderId: 'secret' }]] },
      reply: { ttl: 1_000 },
      expiresIn: 60,
    })
    const identity = await createAuthenticator({ secret: SECRET })({ token })
    expect(identity).toMatchObject({
      user: 'ada',
      permissions: {
        publish: { allow: ['chat.lobby.message', 'presence.ada'], deny: [] },
        subscribe: { allow: ['orders.*.created', 'logs.>'], deny: ['orders.secret.created'] },
        reply: { max: 1, ttl: 1_000 },
      },
    })
    expect((identity.expiresAt ?? 0) - Date.now()).toBeLessThanOrEqual(60_000)
  })

  it.each(['ES256', 'EdDSA'])('signs with a private key as PEM and as JWK (%s)', async (algorithm) => {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
    const authenticate = createAuthenticator({ publicKey: { ...(await exportJWK(publicKey)), alg: algorithm } })
    for (const key of [await exportPKCS8(privateKey), await exportJWK(privateKey)]) {
      const token = await signToken({ privateKey: key, algorithm, keyId: '1', user: 'ada', events, expiresIn: 60 })
      expect((await authenticate({ token })).user).toBe('ada')
    }
  })

  it.each([
    ['a secret that is too short', { secret: 'short' }, 'invalid-argument'],
    ['a missing lifetime', { expiresIn: 0 }, 'invalid-argument'],
    ['an invalid filter', { publish: [{ filter: 'a b' }] }, 'invalid-subject'],
    ['a parameter with a wildcard', { publish: [['chat.{room}.message', { room: 'a.>' }]] }, 'invalid-params'],
    ['an unknown event', { publish: ['other'] }, 'unknown-event'],
  ])('rejects %s', async (_, options, code) => {
    const good = { secret: SECRET, user: 'ada', events, expiresIn: 60 }
    await expect(signToken({ ...good, ...options } as never)).rejects.toMatchObject({ code })
  })

  it('checks grants against the contract at compile time', () => {
    const options = { secret: SECRET, user: 'ada', events, expiresIn: 60 }
    // @ts-expect-error unknown event
    const unknown = () => signToken({ ...options, publish: ['orders.created'] })
    // @ts-expect-error unknown parameter
    const wrong = () => signToken({ ...options, publish: [['chat.{room}.message', { orderId: '1' }]] })
    expect([unknown, wrong]).toHaveLength(2)
  })
})

describe('tokenEndpoint', () => {
  const app = new Hono().get(
    '/token',
    tokenEndpoint({ secret: SECRET }, (c) =>
      c.req.header('Cookie') === 'session=ada' ? { user: 'ada', events, expiresIn: 60 } : undefined,
    ),
  )

  it('responds with a token that is not cached', async () => {
    const response = await app.request('/token', { headers: { Cookie: 'session=ada' } })
    const { token, expiresIn } = (await response.json()) as { token: string; expiresIn: number }
    expect((await createAuthenticator({ secret: SECRET })({ token })).user).toBe('ada')
    expect([expiresIn, response.headers.get('Cache-Control')]).toEqual([60, 'no-store'])
  })

  it('responds with 401 without a session', async () => {
    expect((await app.request('/token')).status).toBe(401)
  })
})
