import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { SECRET } from '../support/token.ts'
import { connected, LiveBridges, post, sign } from './live-bridge.ts'

const nats = { pub: { allow: ['mine.>', '$JS.API.>'] }, sub: { allow: ['mine.>'] } }
const CONSUMER = '$JS.API.CONSUMER.CREATE.MINE'
const STREAM = '$JS.API.STREAM.CREATE.MINE'

let bridges: LiveBridges
let bridge: BridgeServer
beforeAll(async () => {
  bridges = await LiveBridges.start({ jetstream: true })
  bridge = await bridges.serve({ auth: { secret: SECRET } })
}, 60_000)
afterAll(() => bridges?.close())

describe('a body of the JetStream API that takes long to check', () => {
  it.each<[string, string, string, string]>([
    [
      'a string of 1 MB in place of a configuration',
      CONSUMER,
      `{"config":"${'x'.repeat(1_000_000)}"}`,
      'a body of more',
    ],
    ['a list of 900 kB in place of a body', CONSUMER, `[${'1,'.repeat(450_000)}1]`, 'a body of more'],
    ['900 kB of nested lists', CONSUMER, `{"config":${'['.repeat(450_000)}${']'.repeat(450_000)}}`, 'a body of more'],
    [
      '20,000 subjects',
      STREAM,
      JSON.stringify({ name: 'MINE', subjects: Array.from({ length: 20_000 }, (_, i) => `mine.${i}`) }),
      'subjects',
    ],
  ])('is rejected: %s', async (_, subject, body, what) => {
    const mallory = await connected(bridge, { auth_token: await sign({ sub: 'mallory', nats }) })
    mallory.send(`PUB ${subject} _INBOX.k.1 ${body.length}\r\n${body}\r\n`)
    const { line = '' } = (await mallory.next()) ?? {}
    expect(line.startsWith(`-ERR 'Permissions Violation for Publish to "${subject}" with ${what}`), line).toBe(true)
    const response = await post(bridge, `/request/${subject}`, await sign({ sub: 'mallory', nats }), { body })
    expect(response.status).toBe(403)
    mallory.terminate()
  })

  it.each(['"text"', '[1,2,3]', '42', 'null', 'true', '{}'])(
    'is passed on if it has no field to check: the configuration %s',
    async (config) => {
      const body = `{"stream_name":"MINE","config":${config}}`
      const response = await post(bridge, `/request/${CONSUMER}`, await sign({ sub: 'mallory', nats }), { body })
      expect(response.status).toBe(200)
      expect(await response.json()).toHaveProperty('error.code')
    },
  )
})
