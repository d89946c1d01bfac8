import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { type ServeOptions, serve } from '../../../../bridge/hosts/node.ts'

const auth = { secret: 'a secret of at least thirty-two bytes' }
const upstream = 'embedded'

it.each<[string, unknown, RegExp]>([
  ['no auth', { upstream }, /would refuse all clients\. Set auth\.secret/],
  ['no upstream', { auth }, /Not an upstream\. Use 'embedded'/],
  [
    'a JWKS URL that is not a URL',
    { upstream, auth: { jwksUrl: 'keys.json' } },
    /auth\.jwksUrl is "keys\.json"\. It must be an https/,
  ],
  ['an origin with a path', { upstream, auth, origins: ['https://a.example/'] }, /Use https:\/\/a\.example\./],
  ['an address without a scheme', { upstream, auth, origins: ['a.example'] }, /"a\.example", which is not an origin/],
  [
    'an origin with a wildcard',
    { upstream, auth, origins: ['https://*.a.example'] },
    /which is not an origin\. Use an origin such as/,
  ],
  ['a wildcard in a list of origins', { upstream, auth, origins: ['*'] }, /use '\*' instead of a list/],
  ['origins that are not a list', { upstream, auth, origins: 'https://a.example' }, /must be '\*' or a list/],
  [
    'a limit that is not a number',
    { upstream, auth, limits: { maxPayload: Number('1MB') } },
    /limits\.maxPayload is NaN/,
  ],
  ['a limit below zero', { upstream, auth, limits: { maxPayload: -1 } }, /limits\.maxPayload is -1\. It must be/],
  [
    'an unknown limit',
    { upstream, auth, limits: { maxPaylod: 1 } },
    /limits\.maxPaylod is not a limit\. limits has maxPayload/,
  ],
  [
    'an incomplete limit',
    { upstream, auth, limits: { publishRate: { messages: 1 } } },
    /publishRate must be { messages, bytes }/,
  ],
])('serve refuses %s with a message that helps', async (_, options, message) => {
  await expect(serve(options as ServeOptions)).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringMatching(message),
  })
})

it('serve accepts origins in the form that browsers send', async () => {
  const origins = ['https://a.example', 'http://127.0.0.1:3000', 'http://[::1]:3000', 'capacitor://localhost', 'null']
  await using server = await serve({ upstream, auth, origins })
  for (const origin of origins) expect((await fetch(`${server.url}/healthz`, { headers: { origin } })).status).toBe(200)
})

it('serve closes its upstream if it rejects its options, so that the process can end', async () => {
  const host = new URL('../../../../bridge/hosts/node.ts', import.meta.url)
  const program = `
    const { serve } = await import('${host}')
    await serve({ upstream: 'nats://127.0.0.1:1', auth: { secret: 'short' } }).catch(({ code }) => console.log(code))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])
  expect(stdout).toBe('invalid-argument\n')
})
