import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createAuthenticator } from '../../../../bridge/auth/authenticate.ts'

let server: Server | undefined
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
  server?.closeAllConnections()
  server?.close()
})

async function serve(listener: RequestListener): Promise<{ url: string; requests(): number }> {
  let count = 0
  server = createServer((request, response) => {
    count++
    listener(request, response)
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`, requests: () => count }
}

/** Tokens of an attacker, each with a key id of its own. */
async function badTokens(count: number): Promise<string[]> {
  const { privateKey } = await generateKeyPair('ES256')
  const sign = (kid: string) => new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey)
  return Promise.all(Array.from({ length: count }, (_, i) => sign(`unknown ${i}`)))
}

const answers: Array<[string, RequestListener]> = [
  ['is an error', (_, response) => void response.writeHead(500).end('no')],
  ['is not JSON', (_, response) => void response.end('<html>')],
  ['is not a key set', (_, response) => void response.end('{"keys":1}')],
  ['is cut off', (_, response) => void response.destroy()],
  ['has no key for them', (_, response) => void response.end('{"keys":[]}')],
]

describe('a JWKS under 200 bad tokens', () => {
  it.each(answers)('is fetched once in 30 s if its answer %s', async (_, listener) => {
    const { url, requests } = await serve(listener)
    const authenticate = createAuthenticator({ jwksUrl: url })
    const tokens = await badTokens(200)
    for (const token of tokens.slice(0, 150)) await expect(authenticate({ token })).rejects.toBeDefined()
    await Promise.allSettled(tokens.slice(150).map((token) => authenticate({ token })))
    expect(requests()).toBe(1)
    vi.useFakeTimers({ now: Date.now() + 31_000, toFake: ['Date'] })
    for (const token of tokens.slice(0, 50)) await expect(authenticate({ token })).rejects.toBeDefined()
    expect(requests()).toBe(2)
  })

  it('that never ends takes little memory, and is cut off', async () => {
    let sent = 0
    let isClosed = false
    const { url } = await serve((_, response) => {
      response.write('{"keys":[')
      const more = () => {
        while (!response.destroyed) {
          sent += 65_536
          if (!response.write(' '.repeat(65_536))) return
        }
      }
      response.on('drain', more)
      response.on('close', () => {
        isClosed = true
      })
      more()
    })
    const authenticate = createAuthenticator({ jwksUrl: url })
    const [token = ''] = await badTokens(1)
    await expect(authenticate({ token })).rejects.toMatchObject({ code: 'upstream-unavailable' })
    await vi.waitUntil(() => isClosed, { timeout: 10_000 })
    // Including the buffers of the sockets.
    expect(sent).toBeLessThan(16 * 1024 * 1024)
  })

  it('works again when the JWKS does', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const key = { ...(await exportJWK(publicKey)), alg: 'ES256', kid: '1' }
    let isUp = false
    const { url } = await serve(
      (_, response) => void (isUp ? response.end(JSON.stringify({ keys: [key] })) : response.destroy()),
    )
    const authenticate = createAuthenticator({ jwksUrl: url })
    const token = await new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg: 'ES256', kid: '1' }).sign(privateKey)
    await expect(authenticate({ token })).rejects.toMatchObject({ code: 'upstream-unavailable' })
    isUp = true
    vi.useFakeTimers({ now: Date.now() + 31_000, toFake: ['Date'] })
    expect((await authenticate({ token })).user).toBe('ada')
  })
})
