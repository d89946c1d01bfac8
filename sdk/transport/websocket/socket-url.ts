import { SpanwireError } from '../../wire/errors.ts'

/**
 * Returns the URL of a WebSocket: `/nats` of a bridge's address, or a WebSocket URL unchanged.
 * @throws SpanwireError `invalid-argument`
 */
export function toSocketUrl(given: string | URL): string {
  try {
    const url = new URL(given).href.replace(/^http([^?#]*?)\/?(?=[?#]|$)/, 'ws$1/nats')
    if (/^wss?:/.test(url)) return url
  } catch {}
  throw new SpanwireError('invalid-argument', 'The URL is not valid: use https or wss.')
}
