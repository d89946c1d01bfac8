import { encodeUser, fmtCreds } from '@nats-io/jwt'
import { createAccount, createUser } from '@nats-io/nkeys'
import { exportJWK, exportSPKI, generateKeyPair } from 'jose'
import { type Authenticator, connect as connectStock, credsAuthenticator, jwtAuthenticator } from 'nats.ws'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { connectLine } from '../conformance/edge-protocol/audit.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { SECRET } from '../support/token.ts'
import { connected, everything, LiveBridges, linesOf, post, REFUSED, refusal, sign, socketUrl } from './live-bridge.ts'

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const utf8 = (text: string) => new TextEncoder().encode(text)
const now = Math.floor(Date.now() / 1000)

let bridges: LiveBridges
beforeAll(async () => {
  bridges = await LiveBridges.start()
}, 60_000)
afterAll(() => bridges?.close())

/** Expects that all routes reject the token. */
async function expectRefused(bridge: BridgeServer, token: string): Promise<void> {
  for (const credentials of [{ auth_token: token }, { jwt: token, nkey: '', sig: '' }, { user: 'ada', pass: token }]) {
    expect(await refusal(bridge, credentials)).toBe(REFUSED)
  }
  for (const path of ['/publish/a', '/publish', '/request/a']) {
    const response = await post(bridge, path, token)
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
      401,
      'authentication-failed',
    ])
  }
}

describe('token confusion', () => {
  let bridge: BridgeServer
  let pem: string
  let privateKey: CryptoKey
  const good = { sub: 'mallory', nats: everything }

  beforeAll(async () => {
    const pair = await generateKeyPair('RS256', { extractable: true })
    privateKey = pair.privateKey
    pem = await exportSPKI(pair.publicKey)
    bridge = await bridges.serve({ auth: { publicKey: pem, algorithms: ['RS256'] } })
  })

  it('accepts a token of the real key', async () => {
    expect(await refusal(bridge, { auth_token: await sign(good, privateKey, { alg: 'RS256' }) })).toBeUndefined()
  })

  it('rejects HS256 signed with the public key', async () => {
    for (const secret of [pem, pem.trim(), pem.replace(/-----[^-]+-----|\n/g, '')]) {
      await expectRefused(bridge, await sign(good, utf8(secret), { alg: 'HS256' }))
    }
  })

  it.each(['none', 'None', 'NONE', 'nOnE', '', 'HS256'])(
    'rejects the algorithm %j without a signature',
    async (alg) => {
      await expectRefused(bridge, `${base64url({ alg, typ: 'JWT' })}.${base64url({ ...good, exp: now + 60 })}.`)
    },
  )

  it('rejects a key inside of the token (jwk, jku, x5u, kid)', async () => {
    const own = await generateKeyPair('RS256', { extractable: true })
    const jwk = await exportJWK(own.publicKey)
    const headers = [
      { jwk },
      { jku: 'http://127.0.0.1:1/keys' },
      { x5u: 'http://127.0.0.1:1/key' },
      { kid: '../../dev/null' },
    ]
    for (const header of headers) {
      await expectRefused(bridge, await sign(good, own.privateKey, { alg: 'RS256', ...header }))
    }
  })

  it('rejects an unknown critical extension', async () => {
    const header = base64url({ alg: 'RS256', crit: ['unheard-of'], 'unheard-of': true })
    const signed = await sign(good, privateKey, { alg: 'RS256' })
    await expectRefused(bridge, [header, ...signed.split('.').slice(1)].join('.'))
  })

  it('rejects claims with the signature of another token', async () => {
    const signed = await sign({ sub: 'ada' }, privateKey, { alg: 'RS256' })
    const [header, , signature] = signed.split('.')
    await expectRefused(bridge, `${header}.${base64url({ ...good, exp: now + 60 })}.${signature}`)
  })
})

describe('a token for another audience or time', () => {
  let bridge: BridgeServer
  const good = { sub: 'ada', iss: 'https://issuer.example', aud: 'bridge', nats: everything }

  beforeAll(async () => {
    bridge = await bridges.serve({ auth: { secret: SECRET, issuer: 'https://issuer.example', audience: 'bridge' } })
  })

  it('is accepted with valid claims', async () => {
    expect(await refusal(bridge, { auth_token: await sign(good) })).toBeUndefined()
  })

  it.each([
    ['expired', { exp: now - 10 }],
    ['an expiry in the past', { exp: 0 }],
    ['a start in the future', { nbf: now + 60 }],
    ['another issuer', { iss: 'https://issuer.example.evil' }],
    ['an issuer in another case', { iss: 'https://ISSUER.example' }],
    ['a missing issuer', { iss: undefined }],
    ['another audience', { aud: ['shop', 'bridge2'] }],
    ['an expiry that is not a number', { exp: 'never' }],
    ['malformed permissions', { nats: { pub: { allow: ['>'], deny: 'all' } } }],
    ['a deny that is written Deny', { nats: { pub: { allow: ['>'], Deny: ['secret.>'] } } }],
    ['permissions by other names', { nats: { pub: { allow: ['>'] }, subscribe: { deny: ['secret.>'] } } }],
    ['limits that the bridge does not keep for tokens', { nats: { ...everything, subs: 1 } }],
    ['a misspelt limit of replies', { nats: { ...everything, resp: { Max: 1 } } }],
    ['a user that is a number', { sub: 42 }],
    ['a user that is an object', { sub: { toString: 'ada' } }],
    ['a user that is null', { sub: null }],
  ])('is rejected: %s', async (_, claims) => expectRefused(bridge, await sign({ ...good, ...claims })))

  it('is rejected without an expiry if the bridge requires one', async () => {
    const auth = { secret: SECRET, requireExpiration: true }
    const strict = await bridges.serve({ auth })
    await expectRefused(strict, await sign({ ...good, exp: undefined }))
    expect(await refusal(strict, { auth_token: await sign(good) })).toBeUndefined()
    expect(await refusal(bridge, { auth_token: await sign({ ...good, exp: undefined }) })).toBeUndefined()
  })

  it('is rejected with another secret', async () => {
    await expectRefused(bridge, await sign(good, utf8('another secret of thirty-two bytes...')))
  })
})

describe('permission change by refresh', () => {
  const narrow = { pub: { allow: ['ok'] }, sub: { allow: ['ok'] } }
  let bridge: BridgeServer
  let atNats: RawClient

  beforeAll(async () => {
    bridge = await bridges.serve({ auth: { secret: SECRET } })
    atNats = await bridges.atNats()
  })

  it('removes permissions at once', async () => {
    const client = await connected(bridge, { auth_token: await sign({ sub: 'ada', nats: everything }) })
    await client.exchange('SUB secret 1\r\nSUB ok 2\r\nSUB > 3\r\n')
    const { lines } = await client.exchange(connectLine({}, { auth_token: await sign({ sub: 'ada', nats: narrow }) }))
    expect(lines.map(({ line }) => line)).toEqual([
      `-ERR 'Permissions Violation for Subscription to "secret"'`,
      `-ERR 'Permissions Violation for Subscription to ">"'`,
    ])
    await atNats.exchange('PUB secret 0\r\n\r\nPUB ok 0\r\n\r\n')
    client.send('PUB secret 0\r\n\r\n')
    expect((await linesOf(client, atNats)).sort()).toEqual([
      `-ERR 'Permissions Violation for Publish to "secret"'`,
      'MSG ok 2 0',
    ])
    client.terminate()
  })

  it('withholds denied messages of a subscription that remains', async () => {
    const client = await connected(bridge, { auth_token: await sign({ sub: 'ada', nats: everything }) })
    await client.exchange('SUB orders.> 1\r\n')
    const nats = { sub: { allow: ['orders.>'], deny: ['orders.secret'] } }
    await client.exchange(connectLine({}, { auth_token: await sign({ sub: 'ada', nats }) }))
    await atNats.exchange('PUB orders.secret 0\r\n\r\nPUB orders.1 0\r\n\r\n')
    expect(await linesOf(client, atNats)).toEqual(['MSG orders.1 1 0'])
    client.terminate()
  })

  it.each([
    ['of another user', () => sign({ sub: 'root', nats: everything })],
    ['with an invalid signature', async () => `${(await sign({ sub: 'ada', nats: everything })).slice(0, -8)}AAAAAAAA`],
    ['that expired', () => sign({ sub: 'ada', nats: everything, exp: now - 60 })],
  ])('closes on a token %s, and processes nothing after it', async (_, token) => {
    const client = await connected(bridge, { auth_token: await sign({ sub: 'ada', nats: narrow }) })
    const watcher = await bridges.atNats()
    await watcher.exchange('SUB stolen 1\r\n')
    client.send(`${connectLine({}, { auth_token: await token() })}PUB stolen 0\r\n\r\nSUB stolen 1\r\n`)
    expect((await client.ended()).code).toBe(1008)
    expect(await linesOf(watcher, atNats)).toEqual([])
    watcher.terminate()
  })
})

describe('a token with many groups', () => {
  let bridge: BridgeServer
  const groups = (count: number) => Array.from({ length: count }, (_, i) => `department-${i}-of-an-institution`)
  const tokenOf = (count: number) => sign({ sub: 'ada', nats: everything, groups: groups(count) })

  beforeAll(async () => {
    bridge = await bridges.serve({ auth: { secret: SECRET } })
  })

  it('120 groups are accepted by WebSocket, HTTP and the SDK, at once and in small chunks', async () => {
    const token = await tokenOf(120)
    expect(token.length).toBeGreaterThan(4_096)
    expect(await refusal(bridge, { auth_token: token })).toBeUndefined()
    expect((await post(bridge, '/publish/a', token)).status).toBe(202)
    const slow = await RawClient.open(socketUrl(bridge))
    for (const part of connectLine({ auth_token: token }, {}).match(/.{1,500}/gs) ?? []) slow.send(part)
    expect((await slow.exchange()).ending).toBeUndefined()
    slow.terminate()
    for (const via of ['websocket', 'sse'] as const) {
      const client = webSocket({ url: bridge.url, token, via })
      await client.flush()
      await client.close()
    }
  })

  it('a renewal may be as long', async () => {
    const client = await connected(bridge, { auth_token: await sign({ sub: 'ada', nats: everything }) })
    expect(await client.exchange(connectLine({ auth_token: await tokenOf(120) }, {}))).toMatchObject({ lines: [] })
    client.terminate()
  })

  it('over 32 KiB, a client gets the reason, and the SDK does not retry', async () => {
    const token = await tokenOf(800)
    const text = 'maximum control line exceeded by CONNECT: the token is too long'
    for (const line of [connectLine({ auth_token: token }, {}), `CONNECT {"auth_token":"${token}`]) {
      const raw = await RawClient.open(socketUrl(bridge))
      raw.send(line)
      expect(await raw.ended()).toMatchObject({ code: 1008, reason: text })
    }
    const client = webSocket({ url: socketUrl(bridge), token })
    await expect(client.flush()).rejects.toMatchObject({
      code: 'authentication-failed',
      message: expect.stringContaining('the token is too long'),
    })
    expect(client.status.state).toBe('closed')
  })

  it('another line after a long CONNECT keeps its own maximum', async () => {
    const client = await connected(bridge, { auth_token: await tokenOf(120) })
    client.send(`SUB ${'a'.repeat(5_000)} 1\r\n`)
    expect((await client.ended()).reason).toBe('maximum control line exceeded')
  })
})

describe('replay of a signed nonce', () => {
  const account = createAccount()
  const user = createUser()
  let bridge: BridgeServer
  let jwt: string

  beforeAll(async () => {
    bridge = await bridges.serve({ auth: { accounts: [account.getPublicKey()] } })
    jwt = await encodeUser('ada', user, account, { pub: { allow: ['a'], deny: [] }, sub: { allow: ['a'], deny: [] } })
  })

  /** Stock authenticators. `nats.ws` passes the nonce of the connection. */
  const authenticators: Array<[string, () => Authenticator]> = [
    ['credsAuthenticator', () => credsAuthenticator(fmtCreds(jwt, user))],
    ['jwtAuthenticator', () => jwtAuthenticator(jwt, user.getSeed())],
  ]

  it.each(authenticators)('%s of an unmodified nats.ws works', async (_, authenticator) => {
    const client = await connectStock({ servers: socketUrl(bridge), authenticator: authenticator() })
    const subscription = client.subscribe('a', { max: 1 })
    client.publish('a', utf8('hi'))
    for await (const message of subscription) expect(message.string()).toBe('hi')
    await client.close()
  })

  it.each(authenticators)('rejects a signature of %s for another connection', async (_, authenticator) => {
    const [first, second] = [await RawClient.open(socketUrl(bridge)), await RawClient.open(socketUrl(bridge))]
    const { nonce } = await first.info()
    const signed = authenticator()(nonce as string) as object
    first.send(connectLine({}, signed))
    expect((await first.exchange()).ending).toBeUndefined()
    second.send(connectLine({}, signed))
    expect((await second.exchange()).ending?.code).toBe(1008)
    first.terminate()
  })

  it('has a different random nonce for each connection', async () => {
    const nonces = new Set<unknown>()
    for (let i = 0; i < 20; i++) {
      const client = await RawClient.open(socketUrl(bridge))
      nonces.add((await client.info()).nonce)
      client.terminate()
    }
    expect(nonces.size).toBe(20)
    for (const nonce of nonces) expect(String(nonce).length).toBeGreaterThanOrEqual(22)
  })

  it('rejects a nonce signed with another key of the account, or of the account itself', async () => {
    for (const key of [createUser(), account]) {
      const client = await RawClient.open(socketUrl(bridge))
      const { nonce } = await client.info()
      const sig = Buffer.from(key.sign(utf8(nonce as string))).toString('base64url')
      client.send(connectLine({}, { jwt, sig } as object))
      expect((await client.exchange()).ending?.code).toBe(1008)
    }
  })
})
