import { describe, expect, it } from 'vitest'
import { bridgeFor, ScriptedClient, SECRET, sign } from './scripted-client.ts'

const everything = { pub: { allow: ['>'] }, sub: { allow: ['>'] } }
const auth = { secret: SECRET, subjectPrefix: 'tenants.{{org}}' }

async function tenant(bridge: ReturnType<typeof bridgeFor>['bridge'], org: string, nats: object = everything) {
  return ScriptedClient.connected(bridge, { auth_token: await sign({ sub: org, org, nats }) })
}

/** Messages of a service at the broker, outside of tenants. */
function watch(upstream: ReturnType<typeof bridgeFor>['upstream'], filter: string) {
  const seen: Array<{ subject: string; reply: string | undefined }> = []
  upstream.subscribe(filter, undefined, ({ subject, reply }) => void seen.push({ subject, reply }))
  return seen
}

describe('a subject prefix', () => {
  it('is added at the broker, and hidden from the client', async () => {
    const { bridge, upstream } = bridgeFor({ auth })
    const seen = watch(upstream, '>')
    const a = await tenant(bridge, 'A')
    a.send('SUB orders.> 1\r\nPUB orders.1 back 2\r\nhi\r\nPING\r\n')
    expect(await a.until('PONG')).toBe('MSG orders.1 1 back 2\r\nhi\r\nPONG\r\n')
    expect(seen).toEqual([{ subject: 'tenants.A.orders.1', reply: 'tenants.A.back' }])
  })

  it('isolates tenants, also with the filter >', async () => {
    const { bridge, upstream } = bridgeFor({ auth })
    const [a, b] = [await tenant(bridge, 'A'), await tenant(bridge, 'B')]
    b.send('SUB > 1\r\nSUB *.> 2\r\nSUB tenants.A.> 3\r\n')
    a.send('PUB orders.1 0\r\n\r\nPUB tenants.B.orders.1 0\r\n\r\n')
    upstream.publish({ subject: 'orders.1', payload: new Uint8Array(0) })
    expect(await b.turn()).toBe('')
  })

  it('is hidden in errors', async () => {
    const { bridge } = bridgeFor({ auth })
    const a = await tenant(bridge, 'A', {})
    a.send('SUB orders.> 1\r\nPUB orders.1 0\r\n\r\n')
    const text = await a.turn()
    expect(text).toContain('"orders.>"')
    expect(text).not.toContain('tenants')
  })

  it('applies to requests and their replies', async () => {
    const { bridge, upstream } = bridgeFor({ auth })
    upstream.subscribe('tenants.*.quotes', undefined, ({ reply }) => {
      if (reply) upstream.publish({ subject: reply, payload: new TextEncoder().encode('12') })
    })
    const a = await tenant(bridge, 'A')
    a.send('SUB _INBOX.secret.* 1\r\nPUB quotes _INBOX.secret.7 0\r\n\r\n')
    expect(await a.turn()).toBe('MSG _INBOX.secret.7 1 2\r\n12\r\n')
    a.send('PUB unanswered _INBOX.secret.8 0\r\n\r\n')
    expect(await a.turn()).toMatch(/^HMSG _INBOX\.secret\.8 1 .*\r\nNATS\/1\.0 503/)
  })

  it('allows replies to requests from outside of it', async () => {
    const { bridge, upstream } = bridgeFor({ auth })
    const answers: string[] = []
    upstream.subscribe(
      '_INBOX.service.*',
      undefined,
      ({ payload }) => void answers.push(new TextDecoder().decode(payload)),
    )
    const a = await tenant(bridge, 'A', { sub: { allow: ['>'] }, resp: { max: 1 } })
    a.send('SUB ask 1\r\n')
    upstream.publish({ subject: 'tenants.A.ask', reply: '_INBOX.service.1', payload: new Uint8Array(0) })
    const reply = /^MSG ask 1 (\S+) 0/.exec(await a.turn())?.[1]
    expect(reply).toMatch(/^_INBOX\./)
    a.send(`PUB ${reply} 2\r\nhi\r\nPUB ${reply} 5\r\nagain\r\n`)
    expect(await a.turn()).toMatch(/^-ERR 'Permissions Violation for Publish to "_INBOX/)
    expect(answers).toEqual(['hi'])
  })

  it('allows several replies with permission to publish to inboxes', async () => {
    const { bridge, upstream, now } = bridgeFor({ auth })
    const answers: string[] = []
    upstream.subscribe('_INBOX.service.*', undefined, ({ payload }) => {
      answers.push(new TextDecoder().decode(payload))
    })
    const a = await tenant(bridge, 'A', { sub: { allow: ['ask'] }, pub: { allow: ['_INBOX.>'] } })
    a.send('SUB ask 1\r\n')
    upstream.publish({ subject: 'tenants.A.ask', reply: '_INBOX.service.1', payload: new Uint8Array(0) })
    const reply = /^MSG ask 1 (\S+) 0/.exec(await a.turn())?.[1]
    a.send(`PUB ${reply} 1\r\n1\r\nPUB ${reply} 1\r\n2\r\n`)
    now.ms += 600_000
    a.send(`PUB ${reply} 1\r\n3\r\n`)
    expect(await a.turn()).toBe('')
    expect(answers).toEqual(['1', '2', '3'])
  })

  it.each(['$EDGE', '$JS', '_INBOX'])('can not be a reserved subject: %s', async (org) => {
    const { bridge } = bridgeFor({ auth: { ...auth, subjectPrefix: '{{org}}' } })
    expect((await tenant(bridge, org)).closes).toHaveLength(1)
  })

  it.each(['A.B', '*', '>', '', ' ', 'A{', undefined, ['A']])('refuses a tenant whose claim is %j', async (org) => {
    const { bridge } = bridgeFor({ auth })
    const client = await ScriptedClient.connected(bridge, { auth_token: await sign({ org, nats: everything }) })
    expect(client.closes).toHaveLength(1)
  })

  it('can not be changed by a new token', async () => {
    const { bridge } = bridgeFor({ auth })
    const a = await tenant(bridge, 'A')
    a.send(`CONNECT {"auth_token":"${await sign({ sub: 'A', org: 'B', nats: everything })}"}\r\n`)
    await a.until('-ERR')
    expect(a.closes).toEqual([{ code: 1008, reason: 'Authorization Violation' }])
  })
})

describe('reply permissions', () => {
  it('allow a number of replies within a time', async () => {
    const { bridge, upstream, now } = bridgeFor({ auth: { secret: SECRET } })
    const answers = watch(upstream, 'reply.>')
    const nats = { sub: { allow: ['ask'] }, resp: { max: 2, ttl: 5e9 } }
    const client = await ScriptedClient.connected(bridge, { auth_token: await sign({ nats }) })
    client.send('SUB ask 1\r\nPUB reply.0 0\r\n\r\n')
    upstream.publish({ subject: 'ask', reply: 'reply.1', payload: new Uint8Array(0) })
    upstream.publish({ subject: 'ask', reply: 'reply.2', payload: new Uint8Array(0) })
    await client.turn()
    client.send('PUB reply.1 0\r\n\r\n'.repeat(3))
    now.ms += 5_001
    client.send('PUB reply.2 0\r\n\r\n')
    expect((await client.turn()).split('-ERR')).toHaveLength(3)
    expect(answers.map(({ subject }) => subject)).toEqual(['reply.1', 'reply.1'])
  })
})

describe('reply permissions of a token that is renewed', () => {
  it('still apply to earlier requests', async () => {
    const { bridge, upstream } = bridgeFor({ auth: { secret: SECRET } })
    const answers = watch(upstream, 'reply.>')
    const auth_token = await sign({ nats: { sub: { allow: ['ask'] }, resp: { max: 1 } } })
    const client = await ScriptedClient.connected(bridge, { auth_token })
    client.send('SUB ask 1\r\n')
    upstream.publish({ subject: 'ask', reply: 'reply.1', payload: new Uint8Array(0) })
    await client.turn()
    client.send(`CONNECT {"auth_token":"${auth_token}"}\r\nPUB reply.1 0\r\n\r\nPING\r\n`)
    expect(await client.until('PONG')).toBe('PONG\r\n')
    expect(answers).toHaveLength(1)
  })
})

describe('inboxes', () => {
  const nats = { pub: { allow: ['>'] }, sub: { allow: ['>'] } }
  const connect = async (bridge: ReturnType<typeof bridgeFor>['bridge'], sub: string) =>
    ScriptedClient.connected(bridge, { auth_token: await sign({ sub, nats }) })

  it('can not be read by a responder that knows their name', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET } })
    const [asking, answering] = [await connect(bridge, 'ada'), await connect(bridge, 'mallory')]
    answering.send('SUB ask 1\r\n')
    asking.send('SUB _INBOX.ada.* 1\r\nPUB ask _INBOX.ada.1 0\r\n\r\n')
    const reply = /^MSG ask 1 (\S+) 0/.exec(await answering.turn())?.[1] ?? ''
    const token = reply.split('.').slice(0, -1).join('.')
    answering.send(`SUB ${token}.> 2\r\nSUB ${token}.* 3\r\nSUB _INBOX.ada.> 4\r\nPUB ${reply} 2\r\nhi\r\n`)
    expect(await asking.until('MSG')).toBe('MSG _INBOX.ada.1 1 2\r\nhi\r\n')
    const refused = [`${token}.>`, `${token}.*`].map(
      (filter) => `-ERR 'Permissions Violation for Subscription to "${filter}"'`,
    )
    expect(await answering.turn()).toBe(refused.map((line) => `${line}\r\n`).join(''))
  })

  it('of HTTP requests can not be read by clients', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET } })
    const mallory = await connect(bridge, 'mallory')
    mallory.send('SUB ask 1\r\n')
    const request = async () =>
      bridge.app.request('/request/ask?timeout=200', {
        method: 'POST',
        headers: { Authorization: `Bearer ${await sign({ sub: 'ada', nats })}` },
      })
    const first = request()
    const reply = /MSG ask 1 (\S+) /.exec(await mallory.until('MSG'))?.[1] ?? ''
    mallory.send(`SUB ${reply.split('.').slice(0, 2).join('.')}.> 2\r\nPUB ${reply} 2\r\nhi\r\n`)
    expect(await (await first).text()).toBe('hi')
    const second = request()
    const next = /MSG ask 1 (\S+) /.exec(await mallory.until('MSG'))?.[1] ?? ''
    mallory.send(`PUB ${next} 6\r\nsecret\r\nPING\r\n`)
    expect(await mallory.until('PONG')).toBe('PONG\r\n')
    expect(await (await second).text()).toBe('secret')
  })
})

describe('claim templates', () => {
  const nats = { sub: { allow: ['chat.{{sub}}.>'] } }

  it('set subjects for each user', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET } })
    const ada = await ScriptedClient.connected(bridge, { auth_token: await sign({ sub: 'ada', nats }) })
    ada.send('SUB chat.ada.> 1\r\nSUB chat.bob.> 2\r\n')
    expect(await ada.turn()).toBe(`-ERR 'Permissions Violation for Subscription to "chat.bob.>"'\r\n`)
  })

  it.each(['*', '>', 'a.b', '', '$JS', '_INBOX'])('reject a user named %j', async (sub) => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET } })
    const mallory = await ScriptedClient.connected(bridge, { auth_token: await sign({ sub, nats }) })
    expect(mallory.closes).toHaveLength(1)
  })
})
