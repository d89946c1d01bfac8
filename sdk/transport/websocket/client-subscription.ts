import { createDeferred } from '../../kit/deferred.ts'
import { encodeSubscribe, encodeUnsubscribe } from '../../wire/client-op.ts'
import { SpanwireError } from '../../wire/errors.ts'
import type { Pending } from '../outbound.ts'
import type { StatusCell } from '../status-cell.ts'
import type { SubscriptionHandler, TransportSubscription } from '../transport.ts'
import type { SuspectSubscription } from './server-error.ts'

/** A subscription of the client. It settles when the server has registered it. */
export interface Subscription extends Pending, SuspectSubscription {
  readonly frame: Uint8Array
  readonly handler: SubscriptionHandler
}

/** Sends a frame on the current connection, if there is one. Returns whether there is one. */
export type Send = (frame: Uint8Array, pending?: Pending) => boolean

/** Adds a subscription and sends it. It stays in `all` until it ends. */
export function addSubscription(
  all: Map<string, Subscription>,
  cell: StatusCell,
  send: Send,
  { sid, filter, queue, handler }: Pick<Subscription, 'filter' | 'queue' | 'handler'> & { readonly sid: string },
): TransportSubscription {
  const ready = createDeferred()
  /** Returns whether the subscription existed. */
  const forget = (error: Error = new SpanwireError('aborted', 'The subscription ended.')) => {
    ready.reject(error)
    return all.delete(sid)
  }
  const subscription: Subscription = {
    sid,
    filter,
    queue,
    handler,
    frame: encodeSubscribe(filter, sid, queue),
    // After an error the next connection subscribes again.
    settle: (error) => error || cell.phase !== 'open' || ready.resolve(),
    end(error) {
      forget(error)
      handler.ended(error)
    },
  }
  all.set(sid, subscription)
  send(subscription.frame, subscription)
  return {
    ready: ready.promise,
    unsubscribe() {
      if (forget()) send(encodeUnsubscribe(sid))
    },
    async drain() {
      // Messages that the server sent before arrive before its PONG. If the connection is lost, none arrive.
      if (all.has(sid))
        await new Promise<unknown>((settle) => send(encodeUnsubscribe(sid), { settle }) || settle(undefined))
      forget()
    },
  }
}
