import { SpanwireError } from '../../wire/errors.ts'

/**
 * Returns the URL of a WebSocket: `/nats` of a bridge's address, or a WebSocket URL unchanged.
 * @throws SpanwireError `invalid-argument`
 */
export function toSocketUrl(given: string | URL): string {
  try {
    const url = new URL(given)
    if (url.protocol.startsWith('http')) {
      url.protocol = url.protocol.replace('http', 'ws')
      url.pathname = `${url.pathname.replace(/\/$/, '')}/nats`
    }
    if (/^wss?:$/.test(url.protocol)) return url.href
  } catch {}
  throw new SpanwireError('invalid-argument', 'The URL is not valid: use https or wss.')
}
