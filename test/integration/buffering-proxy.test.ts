/** Server-Sent Events behind a real nginx: configured as its documentation shows, and with forced buffering. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { eventually } from '../support/eventually.ts'
import { startNginx } from '../support/nginx.ts'
import { isSkipped } from '../support/runtimes.ts'
import { SseReader } from '../support/sse-reader.ts'
import { rootToken, SECRET } from '../support/token.ts'

describe.skipIf(isSkipped('nginx'))('behind nginx', () => {
  let bridge: BridgeServer
  let nginx: Awaited<ReturnType<typeof startNginx>>

  beforeAll(async () => {
    bridge = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    nginx = await startNginx(`
      location / { proxy_pass ${bridge.url}; }
      location /deaf/ {
        proxy_pass ${bridge.url}/;
        proxy_ignore_headers X-Accel-Buffering;
        gzip on;
        gzip_types text/event-stream;
      }`)
  })
  afterAll(async () => {
    await nginx?.[Symbol.asyncDispose]()
    await bridge?.close()
  })

  const open = async (path: string, signal: AbortSignal | null = null) => {
    const response = await fetch(nginx.url + path, {
      signal,
      headers: { Authorization: `Bearer ${await rootToken()}`, 'Accept-Encoding': 'identity' },
    })
    return new SseReader(response)
  }
  const publish = async (subject: string, data: string) => {
    const headers = { Authorization: `Bearer ${await rootToken()}` }
    const { status } = await fetch(`${bridge.url}/publish/${subject}`, { method: 'POST', headers, body: data })
    expect(status).toBe(202)
  }
  const within = <T>(ms: number, what: Promise<T>) =>
    Promise.race([what, new Promise<'late'>((resolve) => setTimeout(resolve, ms, 'late'))])

  it('delivers each event when it is published, because a header turns off buffering', async () => {
    const reader = await open('/events?subject=plain')
    expect(await reader.next()).toMatchObject({ event: 'subscribed' })
    for (const text of ['one', 'two', 'three']) {
      await publish('plain', JSON.stringify(text))
      expect(JSON.parse((await reader.next()).data)).toMatchObject({ subject: 'plain', data: text })
    }
    await reader.cancel()
  })

  it('delivers events through a proxy that ignores the header only with pad', async () => {
    // The proxy also holds back the head of the response.
    const leaving = new AbortController()
    const held = open('/deaf/events?subject=held', leaving.signal)
    expect(await within(1_000, held)).toBe('late')
    leaving.abort()
    await expect(held).rejects.toThrow()
    const padded = await open('/deaf/events?subject=padded&pad=16384')
    expect(await padded.next()).toMatchObject({ event: 'subscribed' })
    for (const text of ['one', 'two', 'three']) {
      await publish('padded', JSON.stringify(text))
      expect(JSON.parse((await padded.next()).data)).toMatchObject({ subject: 'padded', data: text })
    }
    await padded.cancel()
  })

  it('the SDK uses the fallback through it, and its interest ends when it closes', async () => {
    // nginx does not forward upgrades by default. The client switches to the fallback.
    const transport = webSocket({ url: nginx.url, token: rootToken, backoff: { first: 5, longest: 20 } })
    const seen: string[] = []
    await transport.subscribe('talk', {
      message: ({ payload }) => seen.push(new TextDecoder().decode(payload)),
      ended() {},
    }).ready
    for (const text of ['a', 'b', 'c']) await transport.publish('talk', new TextEncoder().encode(text))
    await eventually(() => seen.length === 3, { what: 'the messages' })
    expect(seen).toEqual(['a', 'b', 'c'])
    await transport.close()
    await eventually(() => bridge.bridge.hub.stats.subscriptions === 0, { what: 'the end of the interest' })
  }, 20_000)
})
