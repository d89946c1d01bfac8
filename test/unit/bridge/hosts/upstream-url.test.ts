import { describe, expect, it } from 'vitest'
import { createUpstream } from '../../../../bridge/hosts/upstream-url.ts'

const silent = { onError: () => {} }

describe('createUpstream', () => {
  it('creates an embedded upstream', async () => {
    const upstream = createUpstream('embedded')
    expect(upstream.info.name).toBe('embedded')
    expect(upstream.state).toBe('open')
    await upstream.close()
  })

  it.each(['nats://127.0.0.1:1', 'tls://127.0.0.1:1', 'ws://127.0.0.1:1', 'wss://127.0.0.1:1/nats?x=y'])(
    'connects to %s in the background',
    async (url) => {
      const upstream = createUpstream(url, silent)
      expect(upstream.state).toBe('connecting')
      await upstream.close()
      expect(upstream.state).toBe('closed')
    },
  )

  it('accepts several servers, separated by commas', async () => {
    const upstream = createUpstream('nats://127.0.0.1:1, nats://127.0.0.1:2', silent)
    expect(upstream.state).toBe('connecting')
    await upstream.close()
  })

  it.each(['', 'http://nats:4222', 'localhost:4222', 'nats://', 'nats://a:4222,ws://b:8080', 'redis://a'])(
    'rejects %j with a message that helps',
    (url) => {
      expect(() => createUpstream(url, silent)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    },
  )

  it('shows no password in an error', () => {
    expect(() => createUpstream('nats://user:sesame@', silent)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('sesame') }),
    )
  })
})
