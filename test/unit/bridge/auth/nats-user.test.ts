import { encodeUser, type User } from '@nats-io/jwt'
import { createAccount, createUser } from '@nats-io/nkeys'
import { describe, expect, it } from 'vitest'
import { bridgeFor, ScriptedClient } from '../session/scripted-client.ts'

const account = createAccount()
const auth = { accounts: [account.getPublicKey()] }

/** A client that signs its nonce like a stock client by default. */
async function connect(
  user: Partial<User>,
  { options = {}, signer = account, sign = (nonce: string) => nonce, bridge = bridgeFor({ auth }).bridge } = {} as {
    options?: { exp?: number; nbf?: number; scopedUser?: boolean }
    signer?: typeof account
    sign?: (nonce: string) => string
    bridge?: ReturnType<typeof bridgeFor>['bridge']
  },
) {
  const key = createUser()
  const jwt = await encodeUser('u', key, signer, user, options)
  const client = new ScriptedClient(bridge)
  const { nonce } = JSON.parse((await client.turn()).slice(5))
  const sig = Buffer.from(key.sign(new TextEncoder().encode(sign(nonce)))).toString('base64url')
  client.send(`CONNECT ${JSON.stringify({ jwt, sig, headers: true, verbose: false })}\r\nPING\r\n`)
  await client.until('PONG')
  return { client, jwt, sig }
}

describe('NATS credentials', () => {
  it('authenticate a user of a trusted account, with its permissions', async () => {
    const { client } = await connect({ pub: { allow: ['a'], deny: [] }, sub: { allow: [], deny: ['secret'] } })
    client.send('SUB other 1\r\nSUB secret 2\r\nPUB a 0\r\n\r\nPUB b 0\r\n\r\n')
    expect(await client.turn()).toBe(
      `-ERR 'Permissions Violation for Subscription to "secret"'\r\n-ERR 'Permissions Violation for Publish to "b"'\r\n`,
    )
  })

  it('are taken with all fields that limit nothing', async () => {
    const open = { proxy_required: false, times_location: 'Europe/Berlin', times: [], src: [] }
    const { client } = await connect(open as Partial<User>)
    expect(client.closes).toEqual([])
  })

  it('allow only replies to a user with reply permissions', async () => {
    const { client } = await connect({ resp: { max: 1, ttl: 0 } })
    client.send('PUB a 0\r\n\r\n')
    expect(await client.turn()).toContain('Permissions Violation')
  })

  it('apply their limits', async () => {
    const { client } = await connect({ subs: 1, payload: 4, data: 10 })
    client.send('SUB a 1\r\nSUB b 2\r\n')
    expect(await client.turn()).toBe(`-ERR 'maximum subscriptions exceeded'\r\n`)
    client.send('PUB c 4\r\n1234\r\nPUB c 4\r\n5678\r\nPUB c 4\r\n9012\r\n')
    expect(await client.turn()).toBe(
      `-ERR 'Permissions Violation for Publish to "c" with more data than its credentials allow'\r\n`,
    )
    client.send('PUB a 5\r\nhello\r\n')
    expect(await client.turn()).toBe(`-ERR 'Maximum Payload Violation'\r\n`)
  })

  it('are rejected on another connection', async () => {
    const { bridge } = bridgeFor({ auth })
    const { client, jwt, sig } = await connect({}, { bridge })
    expect(client.closes).toEqual([])
    const thief = new ScriptedClient(bridge)
    thief.send(`CONNECT ${JSON.stringify({ jwt, sig })}\r\n`)
    await thief.until('-ERR')
    expect(thief.closes).toHaveLength(1)
  })

  const past = Math.floor(Date.now() / 1000) - 100
  it.each([
    ['of another account', {}, { signer: createAccount() }],
    ['with a wrong signature', {}, { sign: () => 'another nonce' }],
    ['that expired', {}, { options: { exp: past } }],
    ['that are not valid yet', {}, { options: { nbf: 4_000_000_000 } }],
    ['for other kinds of connection', { allowed_connection_types: ['MQTT'] } as Partial<User>, {}],
    ['with limits that the bridge does not support', { src: ['10.0.0.0/8'] }, {}],
    ['that need a trusted proxy', { proxy_required: true } as Partial<User>, {}],
    ['with times of an unknown zone', { times_location: 'Europe/Nowhere' } as Partial<User>, {}],
    ['with a field that the bridge does not know', { only_on_mondays: true } as Partial<User>, {}],
    ['of a scoped signing key, whose permissions only the account’s JWT has', {}, { options: { scopedUser: true } }],
  ])('are rejected %s', async (_, user, how) => {
    const { client } = await connect(user, how)
    expect(client.closes).toEqual([{ code: 1008, reason: 'Authorization Violation' }])
  })

  it('need a signature unless they are bearer tokens', async () => {
    const key = createUser()
    for (const bearer_token of [true, false]) {
      const client = new ScriptedClient(bridgeFor({ auth }).bridge)
      const jwt = await encodeUser('u', key, account, { bearer_token })
      client.send(`CONNECT ${JSON.stringify({ jwt, nkey: '', sig: '' })}\r\nPING\r\n`)
      await client.until('PONG')
      expect(client.closes).toHaveLength(bearer_token ? 0 : 1)
    }
  })
})
