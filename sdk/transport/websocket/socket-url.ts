import { SpanwireError } from '../../wire/errors.ts'

/**
 * Where to dial: `/nats` of a bridge's address, or a WebSocket's as it is.
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
  throw new SpanwireError('invalid-argument', 'The URL is not valid: use https, http, wss or ws.')
}
