import { SpanwireError } from '../../sdk/wire/errors.ts'
import { createEmbeddedUpstream } from '../broker/embedded.ts'
import { createNatsUpstream, type NatsUpstreamOptions } from '../upstream/nats.ts'
import type { Upstream } from '../upstream/upstream.ts'

const EMBEDDED_FILE = 'embedded:'

/**
 * Creates the upstream for an address: `nats://` and `tls://` with the package `nats`, `ws://` and `wss://` with `nats.ws`,
 * `embedded` without a server, `embedded:/path/of/file.db` with streams that survive the process. Servers of one cluster
 * are separated by commas. Credentials are in the URL (`nats://user:pass@host`, `nats://token@host`) or in the options.
 * @throws SpanwireError `invalid-argument` for any other address
 */
export function createUpstream(url: string, options: Omit<NatsUpstreamOptions, 'url'> = {}): Upstream {
  if (url === 'embedded') return createEmbeddedUpstream()
  if (url.startsWith(EMBEDDED_FILE)) return createEmbeddedUpstream({ path: url.slice(EMBEDDED_FILE.length) })
  // URLs begin after control characters and blanks (WHATWG).
  if (!/^[\0-\x20]*(nats|tls|wss?):\/\//.test(url))
    throw new SpanwireError(
      'invalid-argument',
      "Not an upstream. Use 'embedded', 'embedded:/path/of/file.db', or the URL of a NATS server: nats://, tls://, ws:// or wss://host:port.",
    )
  return createNatsUpstream({ ...options, url: url.split(',') })
}
