/**
 * A bridge in memory for tests of applications, with the real hub, permissions and streams, and without a server or a
 * port. Runs on every JavaScript runtime.
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
