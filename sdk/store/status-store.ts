import type { Bus } from '../contract/bus.ts'
import type { ConnectionStatus } from '../transport/transport.ts'
import type { Store } from './store.ts'

const CONNECTING: ConnectionStatus = { state: 'connecting' }

/** The connection's status. It changes rarely, so nothing waits for a frame; a server renders `connecting`. */
export function statusStore<Contract>({ status }: Pick<Bus<Contract>, 'status'>): Store<ConnectionStatus> {
  return {
    subscribe: (listener) => status.subscribe(() => listener()),
    getSnapshot: () => status.current,
    getServerSnapshot: () => CONNECTING,
  }
}
