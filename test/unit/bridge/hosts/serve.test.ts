import { type AddressInfo, createServer } from 'node:net'
import { expect, it } from 'vitest'
import { type ServeOptions, serve } from '../../../../bridge/hosts/node.ts'

const auth = { secret: 'a secret of at least thirty-two bytes' }
const upstream = 'embedded'

it.each<[string, unknown, RegExp]>([
  ['no auth', { upstream }, /refuse everybody: give auth\.secret/],
  ['no upstream', { auth }, /Not an upstream\. Use 'embedded'/],
  ['a key set at no URL', { upstream, auth: { jwksUrl: 'keys.json' } }, /auth\.jwksUrl is "keys\.json": give an https/],
  ['an origin with a path', { upstream, auth, origins: ['https://a.example/'] }, /Use https:\/\/a\.example\./],
  ['an address without a scheme', { upstream, auth, origins: ['a.example'] }, /"a\.example", which is not an origin/],
  [
    'a pattern of origins',
    { upstream, auth, origins: ['https://*.a.example'] },
    /which is not an origin\. Use an origin such as/,
  ],
  ['a star among origins', { upstream, auth, origins: ['*'] }, /use '\*' instead of a list/],
  ['origins that are no list', { upstream, auth, origins: 'https://a.example' }, /must be '\*' or a list/],
  ['a limit that is no number', { upstream, auth, limits: { maxPayload: Number('1MB') } }, /limits\.maxPayload is NaN/],
  ['a limit below zero', { upstream, auth, limits: { maxPayload: -1 } }, /limits\.maxPayload is -1: it must be/],
  [
    'a limit that is not there',
    { upstream, auth, limits: { maxPaylod: 1 } },
    /no limits\.maxPaylod: limits are maxPayload/,
  ],
  [
    'half a limit',
    { upstream, auth, limits: { publishRate: { messages: 1 } } },
    /publishRate must be { messages, bytes }/,
  ],
])('serve refuses %s, and says what to do', async (_, options, message) => {
  await expect(serve(options as ServeOptions)).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringMatching(message),
  })
})

it('serve takes origins as browsers send them', async () => {
  const origins = ['https://a.example', 'http://127.0.0.1:3000', 'http://[::1]:3000', 'capacitor://localhost', 'null']
  await using server = await serve({ upstream, auth, origins })
  for (const origin of origins) expect((await fetch(`${server.url}/healthz`, { headers: { origin } })).status).toBe(200)
})

it('serve that refuses its options does not go on dialling NATS, which would keep the process alive', async () => {
  let dialled = 0
  await using nats = createServer((socket) => {
    dialled++
    socket.destroy()
  })
  await new Promise<void>((resolve) => nats.listen(0, '127.0.0.1', resolve))
  const url = `nats://127.0.0.1:${(nats.address() as AddressInfo).port}`
  await expect(serve({ upstream: url, auth: { secret: 'short' } })).rejects.toMatchObject({ code: 'invalid-argument' })
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  expect(dialled).toBeLessThan(2)
})
