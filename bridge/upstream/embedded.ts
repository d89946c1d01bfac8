// Placeholder while the upstream engineer writes the real one: overwrite freely.
import { encodeHeaders } from '../../sdk/protocol/headers.ts'
import { matchesFilter } from '../../sdk/subject.ts'
import type { Upstream, UpstreamMessage } from './upstream.ts'

export function createEmbeddedUpstream(): Upstream {
  const subs = new Set<{ filter: string; queue: string | undefined; deliver: (m: UpstreamMessage) => void }>()
  const out: Upstream = {
    state: 'open',
    info: { name: 'embedded', maxPayload: 1048576 },
    onState: () => () => {},
    subscribe(filter, queue, deliver) {
      const s = { filter, queue, deliver }
      subs.add(s)
      return () => void subs.delete(s)
    },
    publish(message) {
      queueMicrotask(() => {
        const hits = [...subs].filter((s) => matchesFilter(s.filter, message.subject))
        if (hits.length === 0 && message.reply) {
          out.publish({
            subject: message.reply,
            payload: new Uint8Array(0),
            headers: encodeHeaders([], 503, 'No Responders'),
          })
        }
        for (const s of hits) s.deliver(message)
      })
    },
    flush: async () => {},
    close: async () => {},
  }
  return out
}
