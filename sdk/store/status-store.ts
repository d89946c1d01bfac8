import type { Bus } from '../contract/bus.ts'
import type { ConnectionStatus } from '../transport/transport.ts'
import type { Store } from './create-store.ts'

const CONNECTING: ConnectionStatus = { state: 'connecting' }

/**
 * A store with the status of the connection. It changes rarely, so listeners are called immediately. A server renders
 * `connecting`.
 *
 * @example
 *     const status = statusStore(bus)
 *     status.getSnapshot().state
 */
export function statusStore<Contract>({ status }: Pick<Bus<Contract>, 'status'>): Store<ConnectionStatus> {
  return {
    subscribe: (listener) => status.subscribe(() => listener()),
    getSnapshot: () => status.current,
    getServerSnapshot: () => CONNECTING,
  }
}
