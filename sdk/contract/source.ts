import type { SubscriptionHandler, TransportSubscription } from '../transport/transport.ts'
import type { Replaying } from './bus.ts'
import type { EventMessage } from './received-event.ts'

/** Where a subscription's messages come from: NATS as it is, or a replay of a stream. */
export interface Source extends TransportSubscription, Partial<Replaying> {}

/** A message of a source. */
export interface SourceMessage extends EventMessage {
  /** Of a replay: the application is done with it, the cursor may move beyond. */
  done?(): void
}

const noop = () => {}

/** A source that is still being opened, as when its module is loaded. */
export function toSource(opening: Promise<Source>, { ended }: SubscriptionHandler): Source {
  let source: Source | undefined
  const ready = opening.then((opened) => {
    source = opened
    return opened.ready
  })
  const live = opening.then((opened) => opened.live)
  opening.catch(ended)
  ready.catch(noop)
  live.catch(noop)
  return {
    ready,
    live: live as Promise<void>,
    get cursor() {
      return source?.cursor
    },
    unsubscribe: () => void opening.then((opened) => opened.unsubscribe()).catch(noop),
    drain: () => opening.then((opened) => opened.drain()).catch(noop),
  }
}

/** A source as the application sees it. */
export function toSubscription(
  source: Pick<Source, 'ready' | 'live' | 'cursor'>,
  unsubscribe: () => void,
  drain: () => Promise<void>,
): TransportSubscription & Replaying {
  return {
    ready: source.ready,
    live: source.live ?? source.ready,
    get cursor() {
      return source.cursor
    },
    unsubscribe,
    drain,
  }
}
