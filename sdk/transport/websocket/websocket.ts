import { lazy, preload } from '../../kit/lazy.ts'
import { encodePublish, encodeUnsubscribe } from '../../wire/client-op.ts'
import { encodeFields } from '../../wire/header-fields.ts'
import { checkFilter, checkSize, checkSubject, closedError } from '../checks.ts'
import { StatusCell } from '../status-cell.ts'
import type { Transport } from '../transport.ts'
import { addSubscription, type Subscription } from './client-subscription.ts'
import { createLifecycle } from './lifecycle.ts'
import type { WebSocketOptions } from './websocket-options.ts'

/**
 * Returns a transport over WebSocket: Spanwire's own NATS client, for a bridge or for nats-server.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol and bridge/PROTOCOL.md.
 *
 * @example
 *     const bus = connect({ transport: webSocket({ url: 'wss://nats.example.com' }), events })
 * @throws SpanwireError `invalid-argument` for a URL that is not valid
 */
export function webSocket(options: WebSocketOptions): Transport {
  // Not part of the first load: many pages make no requests.
  const requests = lazy(async () => (await import('./requester.ts')).createRequester(transport))
  const cell = new StatusCell('connecting')
  const subscriptions = new Map<string, Subscription>()
  const client = createLifecycle(options, cell, subscriptions, () => preload(requests))
  const { outbound, send } = client
  let lastSid = 0

  function assertNotClosed(): void {
    if (cell.phase === 'closed') throw closedError()
  }

  async function close(): Promise<void> {
    client.end(closedError())
  }

  const transport: Transport = {
    get edge() {
      return client.info && !!client.info.edge
    },
    get apiLevel() {
      return client.info?.api_lvl
    },
    get status() {
      return cell.status
    },
    onStatus: (listener) => cell.listen(listener),

    async publish(subject, payload, { reply, headers, signal } = {}) {
      assertNotClosed()
      checkSubject(subject)
      checkSubject(reply)
      const block = headers?.length ? encodeFields(headers) : undefined
      const size = payload.length + (block?.length ?? 0)
      checkSize(size, client.info)
      const frame = encodePublish(subject, payload, reply, block)
      return outbound.publish((settle) => ({ frame, subject, reply, size, settle }), signal)
    },

    async request(...args) {
      assertNotClosed()
      return requests((request) => request(...args))
    },

    subscribe(filter, handler, { queue } = {}) {
      assertNotClosed()
      checkFilter(filter, queue)
      return addSubscription(subscriptions, cell, send, { sid: `${++lastSid}`, filter, queue, handler })
    },

    async flush() {
      assertNotClosed()
      return outbound.flush()
    },

    async drain() {
      for (const sid of subscriptions.keys()) send(encodeUnsubscribe(sid))
      await outbound.drain()
      return close()
    },

    close,
  }
  return transport
}
