/**
 * A bridge in memory, for an application's own tests: the real hub, permissions and streams, without a server, a port or
 * a wait. Runs wherever JavaScript does.
 */
export type { TestClock } from './clock.ts'
export type { TestNetwork } from './network.ts'
export {
  createTestBridge,
  type TestBridge,
  type TestBridgeOptions,
  type TestClientOptions,
  type TestUser,
} from './test-bridge.ts'
