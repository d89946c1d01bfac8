// Placeholder by the worker engineer while the upstream engineer writes the real one: overwrite freely.
import { SpanwireError } from '../../sdk/errors.ts'
import { createEmbeddedUpstream } from './embedded.ts'
import type { Upstream } from './upstream.ts'

export function createUpstream(url: string): Upstream {
  if (url === 'embedded') return createEmbeddedUpstream()
  throw new SpanwireError('unsupported', `No upstream for ${url} yet.`)
}
