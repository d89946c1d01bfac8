/** Relays between foreign brokers (Kafka, RabbitMQ, ActiveMQ) and the events of a contract. Holds no broker client. */

export { ANNOUNCEMENTS, ROLL_CALL } from '../upstream/relay-subjects.ts'
export type { RelayAnnouncement } from './announcement.ts'
export type { AllowedHeaders } from './copied-headers.ts'
export type { RelayState, RelayStatus } from './counts.ts'
export {
  type IntoOptions,
  type InwardDefinition,
  into,
  type OutOfOptions,
  type OutwardDefinition,
  outOf,
  type RelayDeadLetter,
  type RelayDefinition,
  type TombstoneIn,
} from './declare.ts'
export type {
  ForeignDescription,
  ForeignOrigin,
  ForeignSink,
  ForeignSource,
  ForeignTarget,
  Incoming,
  Outgoing,
  SourceHandler,
  SourceOptions,
} from './foreign.ts'
export type { ForeignHeaders, ForeignMessage } from './foreign-message.ts'
export { base64url, hex, type KeyCoding, percent, plain } from './key-codings.ts'
export { writeRelayMetrics } from './metrics.ts'
export { type RelayOptions, type Relays, type RunningRelays, relay } from './relay.ts'
export { type RelayFile, type RelayProcess, type RunRelayOptions, runRelay } from './run.ts'
