import { HubCore } from '../../bridge/hub/hub-core.ts'
import type { Hub } from '../../bridge/index.ts'

/** The parts of a hub that applications can't reach. */
export function coreOf(hub: Hub): HubCore {
  if (hub instanceof HubCore) return hub
  throw new Error('This hub is not of a bridge.')
}
