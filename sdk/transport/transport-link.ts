import type { JetStreamLink } from '../jetstream/jetstream-link.ts'
import { randomToken } from '../kit/ids.ts'
import type { Transport } from './transport.ts'

/** Returns a link to JetStream over a transport. */
export function transportLink(transport: Transport): JetStreamLink {
  return {
    request: (subject, payload, options) => transport.request(subject, payload, options),
    subscribe(filter, deliver) {
      const subscription = transport.subscribe(filter, { message: deliver, ended() {} })
      return () => subscription.unsubscribe()
    },
    publish(subject, payload, reply) {
      // Callers that need the effect have a timeout.
      transport.publish(subject, payload, reply === undefined ? {} : { reply }).catch(() => {})
    },
    newInbox: () => `_INBOX.${randomToken(26)}`,
  }
}
