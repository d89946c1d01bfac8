import type { JetStreamLink, JetStreamMessage } from '../../sdk/jetstream/jetstream-link.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { isNoResponders } from './message.ts'
import type { Requests } from './requests.ts'
import type { Upstream, UpstreamMessage } from './upstream.ts'

/** JetStream as it is reached from the bridge. */
export function upstreamLink(upstream: Upstream, requests: Requests): JetStreamLink {
  return {
    async request(subject, payload, { timeout, signal }) {
      const answer = await requests.request({ subject, payload }, timeout, signal)
      if (isNoResponders(answer)) throw new SpanwireError('no-responders', `Nobody answers ${subject} right now.`)
      return toMessage(answer)
    },
    subscribe: (filter, deliver) => upstream.subscribe(filter, undefined, (message) => deliver(toStored(message))),
    publish(subject, payload, reply) {
      try {
        upstream.publish({ subject, payload, ...(reply !== undefined && { reply }) })
      } catch {
        // NATS is away, or the bridge is closing: whoever waits for an effect has a timeout.
      }
    },
    newInbox: () => `_INBOX.${crypto.randomUUID().replaceAll('-', '')}`,
  }
}

/** A copy, because messages of streams are kept: a view would keep the whole chunk alive that it was cut from. */
function toStored(message: UpstreamMessage): JetStreamMessage {
  const { headers, payload } = message
  return toMessage({ ...message, payload: payload.slice(), ...(headers && { headers: headers.slice() }) })
}

function toMessage({ subject, reply, headers, payload }: UpstreamMessage): JetStreamMessage {
  return { subject, ...(reply !== undefined && { reply }), ...(headers && { headerBlock: headers }), payload }
}
