import type { SubscriptionHandler, TransportSubscription } from '../transport/transport.ts'
import type { Replaying } from './bus.ts'
import type { ContractEvent } from './contract.ts'
import type { EventMessage } from './received-event.ts'

/** The messages of a subscription: from NATS, or from a replay of a stream. */
export interface Source extends TransportSubscription, Partial<Replaying> {}

/** A message of a {@link Source}. */
export interface SourceMessage extends EventMessage {
  /** The event, if the subscription has several. */
  readonly event?: ContractEvent
  /** Called by the application once it has handled the message. The cursor of a replay then moves. */
  done?(): void
}

const noop = () => {}

/** Returns a source that is being opened, such as while its module is loaded. */
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
